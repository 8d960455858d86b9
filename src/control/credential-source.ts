// The seam between the credential store and what obtains certificates by itself (ACME). A source belongs to one
// configuration; a reload that changes what it depends on opens another and closes this one.
import type { Config } from '../config/config.ts';
import type { LoadedCertificate } from '../plan/credentials.ts';

/** All that a source has to give at one moment; it replaces what it gave before. */
export interface SuppliedCredentials {
  /** By certificateKey() of the configuration's `{ acme: [names] }`. One that is missing is served by a placeholder. */
  readonly certificates: ReadonlyMap<string, LoadedCertificate>;
  /** http-01 (RFC 8555, section 8.3): token -> key authorization. */
  readonly httpChallenges: ReadonlyMap<string, string>;
  /** tls-alpn-01 (RFC 8737): host name, lower-case -> certificate. */
  readonly tlsChallenges: ReadonlyMap<string, LoadedCertificate>;
}

export const NOTHING_SUPPLIED: SuppliedCredentials = {
  certificates: new Map(),
  httpChallenges: new Map(),
  tlsChallenges: new Map(),
};

export interface CredentialSink {
  /**
   * Puts a plan in force with these. Resolves once every worker serves them, so that who validates a challenge may be
   * told to look; rejects when no such plan could be made, and the old one stays. After close() it resolves and does
   * nothing.
   */
  put(supplied: SuppliedCredentials, reason: string): Promise<void>;
  /** One line for the log and for `warning` events; never with a key in it. */
  warn(message: string): void;
  /** One line for the log. */
  note(message: string): void;
}

export interface CredentialSource {
  /** What there is before start(): from storage, without asking anybody. */
  readonly supplied: SuppliedCredentials;
  /** The first plan is in force: obtain what is missing, renew what is due, until close(). Returns at once. */
  start(sink: CredentialSink): void;
  /** Ends timers and requests under way; afterwards the sink is not called any more. */
  close(): Promise<void>;
}

/**
 * Opens the source of a configuration with `{ acme: [...] }` entries. Throws SluiceError when its storage cannot be
 * used. `control/acme.ts` exports one of this shape as `openAcme`; the store calls it when config.acme is not null.
 */
export type OpenCredentialSource = (config: Config) => Promise<CredentialSource>;
