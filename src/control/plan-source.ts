// What plans are made of besides one configuration: the addresses of its names, its credentials, the files of its forward
// proxies. All of it is looked at again while the configuration is in force, and whatever changes asks for a new plan.
// Main thread; owned by the proxy.
import type { Config } from '../config/config.ts';
import { compile, namesToResolve, type ResolvedNames } from '../plan/compile.ts';
import { type ListedCertificate, listCertificates } from '../plan/listed-certificates.ts';
import type { Plan } from '../plan/plan.ts';
import { CredentialStore } from './credential-store.ts';
import type { FileWarning } from './file-report.ts';
import { ForwardFileStore } from './forward-files.ts';
import { type Refresh, refreshNames, resolveNames } from './resolve.ts';
import type { UsersFile } from './users-file.ts';

export interface PlanSourceHooks {
  /** plan() gives another: put it in force. When this rejects, the change is taken back. */
  readonly onChange: (reason: string) => Promise<void>;
  readonly onWarning: (message: string) => void;
  readonly onNote: (message: string) => void;
}

export class PlanSource {
  readonly config: Config;
  readonly #credentials: CredentialStore;
  readonly #files: ForwardFileStore;
  #resolved: ResolvedNames;
  #refresh: Refresh | null = null;

  private constructor(
    config: Config,
    resolved: ResolvedNames,
    files: ForwardFileStore,
    credentials: CredentialStore,
  ) {
    this.config = config;
    this.#resolved = resolved;
    this.#files = files;
    this.#credentials = credentials;
  }

  /**
   * Throws SluiceError `resolve_failed`, `files_invalid` or `credentials_invalid`. Nothing is watched before start().
   * `previous` is of the configuration before, from which is taken over what stays the same.
   */
  static async open(config: Config, previous: PlanSource | null = null): Promise<PlanSource> {
    const resolved = await resolveNames(namesToResolve(config));
    const files = await ForwardFileStore.open(config);
    const credentials = await CredentialStore.open(config, {
      previous: previous === null ? null : previous.#credentials,
    });
    return new PlanSource(config, resolved, files, credentials);
  }

  /** As of now. */
  plan(version: number): Plan {
    const { current } = this.#credentials;
    return compile(this.config, this.#resolved, version, current, this.#files.current);
  }

  get certificates(): readonly ListedCertificate[] {
    return listCertificates(this.config, this.#credentials.current);
  }

  /** By the name of the file. */
  get users(): ReadonlyMap<string, UsersFile> {
    return this.#files.users;
  }

  /** What was found when everything was read. */
  get warnings(): readonly FileWarning[] {
    return [...this.#credentials.warnings, ...this.#files.warnings];
  }

  /** The plan is in force: watch what it is made of. `after`: what has to be over before certificates are ordered. */
  start(hooks: PlanSourceHooks, after: Promise<void> = Promise.resolve()): void {
    const { onChange, onWarning } = hooks;
    this.#credentials.start(hooks, after);
    this.#files.start({ onChange, onWarning });
    this.#refresh = refreshNames({
      names: namesToResolve(this.config),
      resolved: this.#resolved,
      onWarning,
      onChange: (next, moved) =>
        this.#move(next, () => onChange(`resolved anew: ${moved.join(', ')}`)),
    });
  }

  /**
   * Watches nothing any more; resolves once nothing is left open but what `successor` has taken over. Who holds up plans
   * must not wait for it.
   */
  async close(successor: PlanSource | null = null): Promise<void> {
    this.#refresh?.close();
    this.#files.close();
    await this.#credentials.close(successor === null ? null : successor.#credentials);
  }

  async #move(next: ResolvedNames, tell: () => Promise<void>): Promise<void> {
    const before = this.#resolved;
    this.#resolved = next;
    try {
      await tell();
    } catch (error) {
      this.#resolved = before;
      throw error;
    }
  }
}
