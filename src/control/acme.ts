// Certificates by ACME, from the first order to the last renewal: what is stored serves at once, what is missing or
// due is obtained one certificate at a time, what fails is tried again later while the old one goes on serving.
// On the main thread. No timer of it keeps a process alive; close() ends all of it.
import type { AcmeConfig, Config } from '../config/config.ts';
import { credentialsToLoad, type LoadedCertificate } from '../plan/credentials.ts';
import { makeChallengeCertificate } from './acme-certificates.ts';
import { type Clock, SYSTEM_CLOCK, sleep, unlessAborted } from './acme-clock.ts';
import { AcmeDirectory, type Challenge } from './acme-directory.ts';
import { AcmeError, messageOf } from './acme-error.ts';
import { renewalAt, retryDelay } from './acme-schedule.ts';
import { type AcmeStorage, openAcmeStorage, type StoredCertificate } from './acme-storage.ts';
import { AcmeTransport } from './acme-transport.ts';
import { loadCas } from './bundle-file.ts';
import {
  type CredentialSink,
  type CredentialSource,
  NOTHING_SUPPLIED,
  type SuppliedCredentials,
} from './credential-source.ts';
import { credentialsError, FileReport } from './file-report.ts';

/** An order that takes longer is given up and counts as failed. */
const ATTEMPT_MS = 10 * 60_000;
/** Clocks are set and computers sleep: nobody waits longer without looking at the time. */
const LONGEST_WAIT_MS = 3_600_000;
/** While another process obtains the same certificate. */
const LOCKED_WAIT_MS = 30_000;

interface Wanted {
  /** certificateKey() */
  readonly key: string;
  readonly names: readonly string[];
  stored: StoredCertificate | null;
  dueMs: number;
  failures: number;
  /** It was obtained, but no plan with it could be made yet. */
  isUnplaced: boolean;
}

/** What the credential store opens: `openAcme(config)`. The clock is for tests. */
export async function openAcme(
  config: Config,
  clock: Clock = SYSTEM_CLOCK,
): Promise<CredentialSource> {
  const wanted = credentialsToLoad(config).certificates.flatMap(({ key, certificate }) =>
    'acme' in certificate ? [{ key, names: [...new Set(certificate.acme)] }] : [],
  );
  if (config.acme === null || wanted.length === 0) return NO_SOURCE;
  const early: string[] = [];
  const reports = { warn: (message: string) => void early.push(message) };
  const onWarning = (message: string) => reports.warn(message);
  const { storage: place, directory } = config.acme;
  const storage = await openAcmeStorage({ folder: place, directory, onWarning });
  const ca = await readCa(config.acme, clock.now(), onWarning);
  const transport = new AcmeTransport({ ca, now: () => clock.now() });
  const entries: Wanted[] = [];
  for (const one of wanted) {
    const stored = await storage.readCertificate(one.names);
    entries.push({ ...one, stored, dueMs: 0, failures: 0, isUnplaced: false });
  }
  return new Acme({ config: config.acme, clock, storage, transport, entries, early, reports });
}

const NO_SOURCE: CredentialSource = {
  supplied: NOTHING_SUPPLIED,
  start() {},
  close: () => Promise.resolve(),
};

/** Throws SluiceError `credentials_invalid`. */
async function readCa(
  { ca }: AcmeConfig,
  nowMs: number,
  onWarning: (message: string) => void,
): Promise<string | null> {
  if (ca === null) return null;
  const report = new FileReport();
  const pem = await loadCas('acme.ca', ca, { nowMs, isStrict: false }, report);
  if (pem === null) throw credentialsError(report.problems);
  for (const { path, message } of report.warnings) onWarning(`${path}: ${message}`);
  return pem;
}

interface Parts {
  readonly config: AcmeConfig;
  readonly clock: Clock;
  readonly storage: AcmeStorage;
  readonly transport: AcmeTransport;
  readonly entries: readonly Wanted[];
  /** Warnings from before there was anybody to tell. */
  readonly early: readonly string[];
  readonly reports: { warn: (message: string) => void };
}

class Acme implements CredentialSource {
  readonly #parts: Parts;
  readonly #directory: AcmeDirectory;
  readonly #closing = new AbortController();
  #supplied: SuppliedCredentials = NOTHING_SUPPLIED;
  #running: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#directory = new AcmeDirectory(parts);
    for (const one of parts.entries) one.dueMs = this.#dueOf(one.stored);
    this.#supplied = { ...NOTHING_SUPPLIED, certificates: this.#certificates() };
  }

  get supplied(): SuppliedCredentials {
    return this.#supplied;
  }

  start(sink: CredentialSink): void {
    const { early, reports } = this.#parts;
    for (const message of early) sink.warn(message);
    reports.warn = (message) => sink.warn(message);
    this.#running = this.#run(sink).catch((error: unknown) => {
      if (!this.#closing.signal.aborted)
        sink.warn(`acme: renewals have ended: ${messageOf(error)}`);
    });
  }

  async close(): Promise<void> {
    this.#closing.abort(new AcmeError('closed'));
    await this.#running;
  }

  async #run(sink: CredentialSink): Promise<void> {
    const { clock, entries } = this.#parts;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const next = entries.reduce((first, one) => (one.dueMs < first.dueMs ? one : first));
      const wait = next.dueMs - clock.now();
      if (wait > 0) await sleep(clock, Math.min(wait, LONGEST_WAIT_MS), signal);
      else await this.#renew(next, sink);
    }
  }

  async #renew(one: Wanted, sink: CredentialSink): Promise<void> {
    const { storage, clock } = this.#parts;
    const label = `acme ${one.names.join(' ')}`;
    if (one.isUnplaced && one.stored !== null) {
      await this.#serve(one, one.stored, sink, 'obtained before');
      return;
    }
    try {
      const release = await storage.lock(one.names);
      try {
        if (await this.#adoptStored(one, sink)) return;
        if (release === null) {
          one.dueMs = clock.now() + LOCKED_WAIT_MS;
          return;
        }
        await this.#obtain(one, sink);
      } finally {
        await release?.();
      }
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      one.failures++;
      const now = clock.now();
      const leftMs = (one.stored?.certificate.notAfterMs ?? 0) - now;
      const delay = retryDelay({
        failures: one.failures,
        retryAfterMs: error instanceof AcmeError ? error.retryAfterMs : 0,
        leftMs,
        jitter: clock.random(),
      });
      one.dueMs = now + delay;
      sink.warn(
        `${label}: ${messageOf(error)}; ${wordServed(one, now)}, next try in ${wordSpan(delay)}`,
      );
    }
  }

  /** Another process may have been here: what it stored serves us too. */
  async #adoptStored(one: Wanted, sink: CredentialSink): Promise<boolean> {
    const stored = await this.#parts.storage.readCertificate(one.names);
    if (stored === null || stored.obtainedMs <= (one.stored?.obtainedMs ?? 0)) return false;
    const dueMs = this.#dueOf(stored);
    if (dueMs <= this.#parts.clock.now()) return false;
    await this.#serve(one, stored, sink, 'found in storage');
    return true;
  }

  async #obtain(one: Wanted, sink: CredentialSink): Promise<void> {
    const { storage, clock } = this.#parts;
    const { names } = one;
    sink.note(`acme ${names.join(' ')}: ${one.stored === null ? 'obtaining' : 'renewing'} it`);
    const certificate = await this.#withDeadline((signal) =>
      this.#directory.issue({
        names,
        signal,
        answerChallenges: (challenges) => this.#answer(challenges, names, sink, signal),
      }),
    );
    const now = clock.now();
    if (certificate.notAfterMs <= now) {
      throw new AcmeError('what the directory issued has expired: is the clock right?');
    }
    const stored = { certificate, obtainedMs: now };
    try {
      await storage.writeCertificate(names, stored);
    } catch (error) {
      sink.warn(
        `acme ${names.join(' ')}: obtained, but not stored, so that a restart will order another: ${messageOf(error)}`,
      );
    }
    await this.#serve(one, stored, sink, one.stored === null ? 'obtained' : 'renewed');
  }

  async #serve(
    one: Wanted,
    stored: StoredCertificate,
    sink: CredentialSink,
    how: string,
  ): Promise<void> {
    one.stored = stored;
    if (!one.isUnplaced) one.failures = 0;
    one.dueMs = this.#dueOf(stored);
    this.#supplied = { ...this.#supplied, certificates: this.#certificates() };
    const label = `acme ${one.names.join(' ')}`;
    const until = new Date(stored.certificate.notAfterMs).toISOString();
    try {
      await unlessAborted(sink.put(this.#supplied, `${label}: ${how}`), this.#closing.signal);
      one.isUnplaced = false;
      one.failures = 0;
      sink.note(`${label}: ${how}, valid until ${until}`);
    } catch (error) {
      this.#closing.signal.throwIfAborted();
      const { clock } = this.#parts;
      one.isUnplaced = true;
      one.failures++;
      const jitter = clock.random();
      const delay = retryDelay({ failures: one.failures, retryAfterMs: 0, leftMs: 0, jitter });
      one.dueMs = clock.now() + delay;
      sink.warn(
        `${label}: ${how}, but not in force: ${messageOf(error)}; next try in ${wordSpan(delay)}`,
      );
    }
  }

  async #answer(
    challenges: readonly Challenge[],
    names: readonly string[],
    sink: CredentialSink,
    signal: AbortSignal,
  ): Promise<void> {
    const now = this.#parts.clock.now();
    const httpChallenges = new Map<string, string>();
    const tlsChallenges = new Map<string, LoadedCertificate>();
    for (const { type, name, token, keyAuthorization } of challenges) {
      if (type === 'http-01') httpChallenges.set(token, keyAuthorization);
      else tlsChallenges.set(name, await makeChallengeCertificate(name, keyAuthorization, now));
    }
    this.#supplied = { ...this.#supplied, httpChallenges, tlsChallenges };
    const label = `acme ${names.join(' ')}`;
    if (challenges.length > 0) {
      await unlessAborted(sink.put(this.#supplied, `${label}: challenge`), signal);
      return;
    }
    // Even when the attempt has run out of time, and never in the way of what it failed with.
    try {
      await unlessAborted(
        sink.put(this.#supplied, `${label}: challenge over`),
        this.#closing.signal,
      );
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      sink.warn(`${label}: the challenge's answer stays until the next plan: ${messageOf(error)}`);
    }
  }

  async #withDeadline<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const attempt = new AbortController();
    const { signal } = this.#closing;
    const onClose = () => attempt.abort(signal.reason);
    signal.addEventListener('abort', onClose, { once: true });
    const timer = this.#parts.clock.after(ATTEMPT_MS, () => {
      attempt.abort(new AcmeError(`given up after ${wordSpan(ATTEMPT_MS)}`));
    });
    try {
      signal.throwIfAborted();
      return await work(attempt.signal);
    } finally {
      this.#parts.transport.rest();
      timer.cancel();
      signal.removeEventListener('abort', onClose);
    }
  }

  #dueOf(stored: StoredCertificate | null): number {
    if (stored === null) return 0;
    const { config, clock } = this.#parts;
    const { obtainedMs, certificate } = stored;
    const lifetime = { obtainedMs, notAfterMs: certificate.notAfterMs };
    return renewalAt(lifetime, config.renewBefore, clock.random());
  }

  #certificates(): ReadonlyMap<string, LoadedCertificate> {
    return new Map(
      this.#parts.entries.flatMap(({ key, stored }) =>
        stored === null ? [] : [[key, stored.certificate] as const],
      ),
    );
  }
}

function wordServed({ stored }: Wanted, now: number): string {
  if (stored === null) return 'there is none yet';
  const { notAfterMs } = stored.certificate;
  const until = new Date(notAfterMs).toISOString();
  return notAfterMs > now ? `the old one serves until ${until}` : `the old one expired at ${until}`;
}

function wordSpan(ms: number): string {
  if (ms < 120_000) return `${Math.ceil(ms / 1000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}
