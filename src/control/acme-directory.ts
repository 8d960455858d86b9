// Talking to an ACME directory (RFC 8555): the account, then for each certificate order, challenges, finalisation and
// download. One attempt from start to end, nothing is repeated here but questions whether something is ready yet.
import type { Authorization, Client, Order } from 'acme-client';
import type { AcmeConfig } from '../config/config.ts';
import type { Secret } from '../contract/secret.ts';
import type { LoadedCertificate } from '../plan/credentials.ts';
import { loadIssued, makeKey } from './acme-certificates.ts';
import { type Clock, sleep } from './acme-clock.ts';
import { AcmeError, asRecord, messageOf, readProblem, wordProblem } from './acme-error.ts';
import type { AcmeStorage, StoredAccount } from './acme-storage.ts';
import type { AcmeTransport } from './acme-transport.ts';

/** One name to be shown ours; what an answer to its challenge is made of. */
export interface Challenge {
  readonly type: AcmeConfig['challenge'];
  readonly name: string;
  readonly token: string;
  readonly keyAuthorization: string;
}

export interface DirectoryOptions {
  readonly config: AcmeConfig;
  readonly storage: AcmeStorage;
  readonly transport: AcmeTransport;
  readonly clock: Clock;
}

export interface Attempt {
  readonly names: readonly string[];
  readonly signal: AbortSignal;
  /** Resolves when these are answered everywhere; the empty list takes them back. */
  readonly answerChallenges: (challenges: readonly Challenge[]) => Promise<void>;
}

interface Pending {
  readonly challenge: Challenge;
  /** As the directory sent it: what the library takes back. */
  readonly raw: Authorization['challenges'][number];
}

const FIRST_POLL_MS = 500;
const LAST_POLL_MS = 15_000;

/** How the library's requests go out. It offers no place for this, so its version is fixed in package.json. */
interface LibraryHttp {
  request(url: string, method: string, options?: { readonly data?: unknown }): Promise<unknown>;
}

export class AcmeDirectory {
  readonly #options: DirectoryOptions;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /** Throws AcmeError, or the signal's reason. */
  async issue(attempt: Attempt): Promise<LoadedCertificate> {
    this.#options.transport.bind(attempt.signal);
    try {
      return await this.#issue(attempt);
    } catch (error) {
      attempt.signal.throwIfAborted();
      if (error instanceof AcmeError) throw error;
      throw new AcmeError(messageOf(error) || 'the directory failed without a reason', {
        cause: error,
      });
    }
  }

  async #issue(attempt: Attempt): Promise<LoadedCertificate> {
    const identifiers = attempt.names.map((value) => ({ type: 'dns', value }));
    let client = await this.#openAccount();
    let order: Order;
    try {
      order = await client.createOrder({ identifiers });
    } catch (error) {
      if (!(error instanceof AcmeError) || error.type !== 'accountDoesNotExist') throw error;
      // The directory has forgotten it, as those for tests do.
      await this.#forgetAccount();
      client = await this.#openAccount();
      order = await client.createOrder({ identifiers });
    }
    await this.#authorize(client, order, attempt);
    return this.#finalize(client, order, attempt);
  }

  async #openAccount(): Promise<Client> {
    const { storage, config } = this.#options;
    const stored = await storage.readAccount();
    if (stored?.url && stored.email === config.email) {
      return this.#client(stored.key, stored.url);
    }
    const release = await storage.lockAccount();
    if (release === null) throw new AcmeError('another process is making the account');
    try {
      return await this.#register((await storage.readAccount()) ?? null);
    } finally {
      await release();
    }
  }

  async #register(stored: StoredAccount | null): Promise<Client> {
    const { storage, config } = this.#options;
    const account = stored ?? { key: await makeKey(), url: null, email: null };
    // Before anybody hears of the key, so that an account never outlives the only copy of it.
    if (stored === null) await storage.writeAccount(account);
    const contact = config.email === null ? [] : [`mailto:${config.email}`];
    const client = await this.#client(account.key, account.url);
    // An account with an address is updated, one of this key that exists already is found.
    const made = account.url === null ? { termsOfServiceAgreed: config.agreeToTerms } : {};
    const answer = await client.createAccount({ ...made, contact });
    if (answer.status !== 'valid') throw new AcmeError(`the account is ${answer.status}`);
    await storage.writeAccount({ ...account, url: client.getAccountUrl(), email: config.email });
    return client;
  }

  async #forgetAccount(): Promise<void> {
    const { storage } = this.#options;
    const stored = await storage.readAccount();
    if (stored !== null) await storage.writeAccount({ ...stored, url: null });
  }

  async #client(key: Secret, url: string | null): Promise<Client> {
    const { config, transport } = this.#options;
    // Loaded when there is something to obtain.
    const { Client: AcmeClient } = await import('acme-client');
    const client = new AcmeClient({
      directoryUrl: config.directory,
      accountKey: key.reveal(),
      ...(url === null ? {} : { accountUrl: url }),
    });
    const { http } = client as unknown as { readonly http: LibraryHttp };
    if (typeof http?.request !== 'function') {
      throw new AcmeError('this version of acme-client is not the one that package.json names');
    }
    http.request = (to, method, options) => transport.send(to, method, options?.data);
    return client;
  }

  async #authorize(client: Client, order: Order, attempt: Attempt): Promise<void> {
    const { challenge: type } = this.#options.config;
    const authorizations = await client.getAuthorizations(order);
    const pending: Pending[] = [];
    for (const { identifier, status, challenges } of authorizations) {
      const name = identifier.value;
      if (status === 'valid') continue;
      if (!attempt.names.includes(name)) throw new AcmeError(`${name} was not asked for`);
      if (status !== 'pending') throw new AcmeError(`the authorization of ${name} is ${status}`);
      const raw = challenges.find((one) => String(one.type) === type);
      if (raw === undefined) {
        const offered = challenges.map((one) => one.type).join(', ');
        throw new AcmeError(`the directory offers no ${type} for ${name}, but ${offered}`);
      }
      // It becomes part of a path (RFC 8555, section 8.3).
      if (!/^[\w-]{1,256}$/.test(raw.token)) throw new AcmeError('a token is not base64url');
      const keyAuthorization = await client.getChallengeKeyAuthorization(raw);
      pending.push({ challenge: { type, name, token: raw.token, keyAuthorization }, raw });
    }
    if (pending.length === 0) return;
    const { answerChallenges } = attempt;
    try {
      await answerChallenges(pending.map(({ challenge }) => challenge));
      await Promise.all(pending.map(({ raw }) => client.completeChallenge(raw)));
      await this.#poll(attempt, async () => {
        const all = await client.getAuthorizations(order);
        for (const one of all) failUnlessHopeful(one, type);
        return all.every(({ status }) => status === 'valid') ? all : null;
      });
    } finally {
      await answerChallenges([]);
    }
  }

  async #finalize(client: Client, order: Order, attempt: Attempt): Promise<LoadedCertificate> {
    const { crypto } = await import('acme-client');
    const names = [...attempt.names];
    const key = await makeKey();
    const [, request] = await crypto.createCsr({ altNames: names }, key.reveal());
    // Authorizations that were valid before may still leave the order behind them for a moment.
    await this.#pollOrder(client, order, attempt, ['ready', 'valid']);
    await client.finalizeOrder(order, request);
    const valid = await this.#pollOrder(client, order, attempt, ['valid']);
    const chain = await client.getCertificate(valid);
    try {
      return loadIssued(names, chain, key);
    } catch (error) {
      throw new AcmeError(`what the directory issued is of no use: ${messageOf(error)}`);
    }
  }

  #pollOrder(
    client: Client,
    order: Order,
    attempt: Attempt,
    wanted: readonly Order['status'][],
  ): Promise<Order> {
    return this.#poll(attempt, async () => {
      const now = await client.getOrder(order);
      if (wanted.includes(now.status)) return now;
      if (now.status !== 'invalid') return null;
      throw new AcmeError(`the order was refused: ${wordProblem(readProblem(now.error))}`);
    });
  }

  /** Asks again, ever more slowly and no sooner than the directory said, until there is an answer. */
  async #poll<T>({ signal }: Attempt, ask: () => Promise<T | null>): Promise<T> {
    const { clock, transport } = this.#options;
    for (let wait = FIRST_POLL_MS; ; wait = Math.min(wait * 1.5, LAST_POLL_MS)) {
      const answer = await ask();
      if (answer !== null) return answer;
      await sleep(clock, Math.max(wait, transport.retryAfterMs), signal);
    }
  }
}

function failUnlessHopeful({ identifier, status, challenges }: Authorization, type: string): void {
  if (status === 'valid' || status === 'pending') return;
  const failed = challenges.find((one) => String(one.type) === type)?.error;
  const reason = failed === undefined ? status : wordProblem(readProblem(asRecord(failed)));
  throw new AcmeError(`${identifier.value} could not be validated by ${type}: ${reason}`);
}
