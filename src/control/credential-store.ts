// The credentials in force for one configuration: those of files, looked at again when they change, and those that a
// source (ACME) supplies. Every change is offered for a new plan; what cannot be used leaves the old in force.
import type { Config } from '../config/config.ts';
import { type Credentials, type LoadedCertificate, SYSTEM_CAS } from '../plan/credentials.ts';
import {
  type CredentialSource,
  NOTHING_SUPPLIED,
  type OpenCredentialSource,
  type SuppliedCredentials,
} from './credential-source.ts';
import { credentialFiles, type FileCredentials, readCredentials } from './credentials.ts';
import { credentialsError, type FileReport, type FileWarning } from './file-report.ts';
import { type FileWatch, signatureOf, watchFiles } from './file-watch.ts';
import { makePlaceholders } from './placeholder.ts';

export interface CredentialStoreOptions {
  /** The store of the configuration before: a source that stays the same is taken over from it. */
  readonly previous?: CredentialStore | null;
  readonly openSource?: OpenCredentialSource;
}

export interface CredentialHooks {
  /** `current` is another: put a plan with it in force. When this rejects, the change is taken back. */
  readonly onChange: (reason: string) => Promise<void>;
  readonly onWarning: (message: string) => void;
  readonly onNote: (message: string) => void;
  /** As of watchFiles(). */
  readonly pollMs?: number;
  readonly quietMs?: number;
}

/** A source and the store that it supplies, which changes with a reload. */
interface Supply {
  /** What the source depends on. */
  readonly key: string;
  readonly source: CredentialSource;
  isStarted: boolean;
  owner: CredentialStore;
  supplied: SuppliedCredentials;
}

/** The files of a pair are replaced one after the other: what does not fit is read again before anybody is told. */
const SECOND_LOOK_MS = 1500;

const openAcmeSource: OpenCredentialSource = async (config) => {
  const { openAcme } = await import('./acme.ts');
  return openAcme(config);
};

export class CredentialStore {
  readonly #files: readonly string[];
  readonly #signature: string;
  readonly #config: Config;
  #ofFiles: FileCredentials;
  #placeholders: ReadonlyMap<string, LoadedCertificate> = new Map();
  #supply: Supply | null = null;
  #hooks: CredentialHooks | null = null;
  #watch: FileWatch | null = null;
  #isSecondLook = false;
  /** Warnings and problems that were told: a look that finds the same says nothing. */
  #told: ReadonlySet<string>;

  private constructor(
    config: Config,
    files: readonly string[],
    signature: string,
    ofFiles: FileCredentials,
  ) {
    this.#config = config;
    this.#files = files;
    this.#signature = signature;
    this.#ofFiles = ofFiles;
    this.#told = new Set(sentencesOf(ofFiles.report));
  }

  /**
   * Reads all files and what the source has stored. Throws SluiceError `credentials_invalid` with all problems, or what
   * the source throws. Nothing is watched before start().
   */
  static async open(
    config: Config,
    { previous = null, openSource = openAcmeSource }: CredentialStoreOptions = {},
  ): Promise<CredentialStore> {
    const files = credentialFiles(config);
    const signature = await signatureOf(files);
    const ofFiles = await readCredentials(config);
    if (ofFiles.report.problems.length > 0) throw credentialsError(ofFiles.report.problems);
    const store = new CredentialStore(config, files, signature, ofFiles);
    store.#placeholders = await makePlaceholders(config);
    store.#supply = await store.#supplyFor(previous, openSource);
    return store;
  }

  /** What compile() needs, as of now. */
  get current(): Credentials {
    const { certificates, bundles } = this.#ofFiles;
    const supplied = this.#supply?.supplied ?? NOTHING_SUPPLIED;
    return {
      certificates: new Map([...this.#placeholders, ...supplied.certificates, ...certificates]),
      bundles,
      httpChallenges: supplied.httpChallenges,
      tlsChallenges: supplied.tlsChallenges,
    };
  }

  /** What was found when the files were read, and which certificates are still to be obtained. */
  get warnings(): readonly FileWarning[] {
    const supplied = this.#supply?.supplied.certificates;
    const missing = [...this.#placeholders]
      .filter(([key]) => supplied?.has(key) !== true)
      .map(([, { hosts }]) => ({
        path: 'acme',
        message: `no certificate for ${hosts.join(', ')} yet: clients meet one that vouches for itself until it is obtained`,
      }));
    return [...this.#ofFiles.report.warnings, ...missing];
  }

  /** The plan with these credentials is in force: watch the files, let the source work once `after` has come. */
  start(hooks: CredentialHooks, after: Promise<void> = Promise.resolve()): void {
    this.#hooks = hooks;
    const { pollMs, quietMs } = hooks;
    this.#watch = watchFiles({
      files: this.#files,
      known: this.#signature,
      onChange: () => this.#readAgain(),
      ...(pollMs === undefined ? {} : { pollMs }),
      ...(quietMs === undefined ? {} : { quietMs }),
    });
    void after.then(() => this.#startSource());
  }

  /**
   * Resolves once the source is closed, which `successor` may have taken over. Who holds up plans must not wait for it:
   * the source may be waiting for a plan.
   */
  async close(successor: CredentialStore | null = null): Promise<void> {
    this.#hooks = null;
    this.#watch?.close();
    const supply = this.#supply;
    if (supply === null || supply.owner !== this) return;
    const heir = successor?.takesOver(supply) === true ? successor : null;
    if (heir !== null) supply.owner = heir;
    else await supply.source.close();
  }

  takesOver(supply: object): boolean {
    return this.#supply === supply;
  }

  #startSource(): void {
    const supply = this.#supply;
    if (supply === null || this.#hooks === null || supply.isStarted) return;
    supply.isStarted = true;
    supply.source.start({
      put: (supplied, reason) => supply.owner.#put(supply, supplied, reason),
      warn: (message) => supply.owner.#say('onWarning', message),
      note: (message) => supply.owner.#say('onNote', message),
    });
  }

  #say(what: 'onWarning' | 'onNote', message: string): void {
    this.#hooks?.[what](message);
  }

  async #supplyFor(
    previous: CredentialStore | null,
    openSource: OpenCredentialSource,
  ): Promise<Supply | null> {
    if (this.#placeholders.size === 0) return null;
    const key = JSON.stringify([this.#config.acme, [...this.#placeholders.keys()]]);
    const running = previous === null ? null : previous.#supply;
    if (running?.key === key) return running;
    const source = await openSource(this.#config);
    return { key, source, isStarted: false, owner: this, supplied: source.supplied };
  }

  async #put(supply: Supply, supplied: SuppliedCredentials, reason: string): Promise<void> {
    const before = supply.supplied;
    supply.supplied = supplied;
    try {
      await this.#hooks?.onChange(reason);
    } catch (error) {
      if (supply.supplied === supplied) supply.supplied = before;
      throw error;
    }
  }

  async #readAgain(): Promise<void> {
    const before = this.#ofFiles;
    const read = await readCredentials(this.#config);
    const { problems } = read.report;
    if (problems.length > 0 && !this.#isSecondLook) {
      this.#isSecondLook = true;
      this.#watch?.callAgain(SECOND_LOOK_MS);
    } else {
      this.#isSecondLook = false;
      this.#tell(read.report);
    }
    // What cannot be used any more stays as it was.
    const next = {
      certificates: new Map([...before.certificates, ...read.certificates]),
      bundles: new Map([...before.bundles, ...read.bundles]),
      report: read.report,
    };
    const renewed = namesOfChanges(before, next);
    if (renewed.length === 0) return;
    this.#ofFiles = next;
    try {
      await this.#hooks?.onChange(`certificates renewed: ${renewed.join(', ')}`);
    } catch (error) {
      this.#ofFiles = before;
      const why = error instanceof Error ? error.message : String(error);
      this.#hooks?.onWarning(
        `${renewed.join(', ')} cannot be used, the old stays in force: ${why}`,
      );
    }
  }

  #tell(report: FileReport): void {
    const sentences = sentencesOf(report);
    for (const sentence of sentences) {
      if (!this.#told.has(sentence)) this.#hooks?.onWarning(sentence);
    }
    this.#told = new Set(sentences);
  }
}

function sentencesOf({ problems, warnings }: FileReport): readonly string[] {
  return [
    ...problems.map(
      ({ path, expected, received }) =>
        `${path}: expected ${expected} but found ${received}; what was loaded before stays in force`,
    ),
    ...warnings.map(({ path, message }) => `${path}: ${message}`),
  ];
}

/** The files whose content is another, as people know them. */
function namesOfChanges(before: FileCredentials, next: FileCredentials): readonly string[] {
  const names = new Set<string>();
  for (const [key, now] of next.certificates) {
    if (!isSame(before.certificates.get(key), now)) names.add(now.name);
  }
  for (const [key, pem] of next.bundles) {
    if (before.bundles.get(key) === pem) continue;
    names.add(key === SYSTEM_CAS ? "the system's CAs" : key.replace(/^crl /, ''));
  }
  return [...names];
}

function isSame(a: LoadedCertificate | undefined, b: LoadedCertificate): boolean {
  return (
    a !== undefined &&
    a.chain === b.chain &&
    a.key.reveal() === b.key.reveal() &&
    Buffer.compare(a.ocsp, b.ocsp) === 0
  );
}
