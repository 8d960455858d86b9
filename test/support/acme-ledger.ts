// What an ACME directory for tests knows: accounts, orders, authorizations, challenges (RFC 8555, section 7), and how
// one leads to the next, up to the certificate. Everything is in memory.
import { type JsonWebKey, randomBytes } from 'node:crypto';
import { x509 } from '../../src/control/x509.ts';
import { AcmeRefusal, malformed, type Signed, thumbprint, wordRefusal } from './acme-jws.ts';
import { type ValidationPorts, validate } from './acme-validation.ts';
import type { Authority } from './pki.ts';

/** Where a request goes to. */
export type AcmeStep =
  | 'directory'
  | 'newNonce'
  | 'newAccount'
  | 'account'
  | 'newOrder'
  | 'order'
  | 'authorization'
  | 'challenge'
  | 'finalize'
  | 'certificate';

export interface Account {
  readonly url: string;
  readonly jwk: JsonWebKey;
  contact: readonly string[];
}

interface AuthorizationState {
  readonly name: string;
  readonly account: Account;
  status: 'pending' | 'valid' | 'invalid';
  readonly challenges: ChallengeState[];
}

interface ChallengeState {
  readonly type: string;
  readonly token: string;
  status: 'pending' | 'processing' | 'valid' | 'invalid';
  error: object | null;
}

export interface OrderState {
  readonly account: Account;
  readonly names: readonly string[];
  readonly authorizations: readonly number[];
  status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';
  chain: string | null;
}

export interface Reply {
  readonly status: number;
  readonly body: object | string;
  readonly location?: string;
}

const TYPES = ['http-01', 'tls-alpn-01', 'dns-01'];

export interface LedgerOptions {
  readonly issuer: Authority;
  readonly now: () => number;
  readonly lifetimeMs: number;
  /** How far certificates are dated back. */
  readonly backdateMs: number;
}

export class AcmeLedger {
  readonly accounts: Account[] = [];
  readonly orders: OrderState[] = [];
  /** `https://localhost:port` */
  base = '';
  /** Where it goes to validate. */
  ports: ValidationPorts = {};
  readonly #authorizations: AuthorizationState[] = [];
  readonly #options: LedgerOptions;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  account(url: string): Account {
    const account = this.accounts.find((one) => one.url === url);
    if (account === undefined) {
      throw new AcmeRefusal(400, 'accountDoesNotExist', 'this account is not known here');
    }
    return account;
  }

  newAccount({ jwk, payload }: Signed): Reply {
    if (jwk === null) throw malformed('jwk, not kid');
    const known = this.accounts.find((one) => thumbprint(one.jwk) === thumbprint(jwk));
    if (known !== undefined) return { status: 200, body: shownAccount(known), location: known.url };
    if (payload?.termsOfServiceAgreed !== true) {
      throw new AcmeRefusal(403, 'userActionRequired', 'agree to the terms first');
    }
    const url = `${this.base}/account/${randomBytes(6).toString('hex')}`;
    const account = { url, jwk, contact: contactOf(payload) };
    this.accounts.push(account);
    return { status: 201, body: shownAccount(account), location: url };
  }

  async act(
    step: AcmeStep,
    index: number,
    account: Account,
    payload: Signed['payload'],
  ): Promise<Reply> {
    switch (step) {
      case 'account':
        if (payload?.contact !== undefined) account.contact = contactOf(payload);
        return { status: 200, body: shownAccount(account) };
      case 'newOrder':
        return this.#newOrder(account, payload);
      case 'authorization':
        return { status: 200, body: this.#shownAuthorization(index, account) };
      case 'challenge':
        return this.#begin(index, account, payload);
      case 'order':
        return { status: 200, body: this.#shownOrder(index, account) };
      case 'finalize':
        return this.#finalize(index, account, payload);
      case 'certificate':
        return { status: 200, body: this.#order(index, account).chain ?? '' };
      default:
        throw new AcmeRefusal(404, 'malformed', 'nothing here');
    }
  }

  #newOrder(account: Account, payload: Signed['payload']): Reply {
    const names = ((payload?.identifiers ?? []) as { type: string; value: string }[]).map((one) => {
      if (one.type !== 'dns') throw new AcmeRefusal(400, 'unsupportedIdentifier', one.type);
      return one.value;
    });
    if (names.length === 0) throw malformed('no identifiers');
    const authorizations = names.map((name) => {
      const challenges = TYPES.map((type) => ({
        type,
        token: randomBytes(16).toString('base64url'),
        status: 'pending' as const,
        error: null,
      }));
      return this.#authorizations.push({ name, account, status: 'pending', challenges }) - 1;
    });
    const at = this.orders.push({ account, names, authorizations, status: 'pending', chain: null });
    return {
      status: 201,
      body: this.#shownOrder(at - 1, account),
      location: `${this.base}/order/${at - 1}`,
    };
  }

  /** A challenge is numbered by its authorization and its type. */
  #begin(index: number, account: Account, payload: Signed['payload']): Reply {
    const authorization = this.#authorization(Math.floor(index / TYPES.length), account);
    const challenge = authorization.challenges[index % TYPES.length];
    if (challenge === undefined) throw new AcmeRefusal(404, 'malformed', 'no such challenge');
    // POST-as-GET looks, an object begins (RFC 8555, section 7.5.1).
    if (challenge.status === 'pending' && payload !== null) {
      challenge.status = 'processing';
      void this.#validate(authorization, challenge);
    }
    return { status: 200, body: this.#shownChallenge(index, challenge) };
  }

  async #validate(authorization: AuthorizationState, challenge: ChallengeState): Promise<void> {
    const { token, type } = challenge;
    const { name, account } = authorization;
    const keyAuthorization = `${token}.${thumbprint(account.jwk)}`;
    try {
      await validate({ type, name, token, keyAuthorization }, this.ports);
      challenge.status = 'valid';
    } catch (error) {
      challenge.status = 'invalid';
      challenge.error = wordRefusal(error as AcmeRefusal);
    }
    authorization.status = challenge.status;
    for (const order of this.orders.filter(({ status }) => status === 'pending')) {
      const all = order.authorizations.map((i) => this.#authorizations[i]?.status);
      if (all.includes('invalid')) order.status = 'invalid';
      else if (all.every((status) => status === 'valid')) order.status = 'ready';
    }
  }

  async #finalize(index: number, account: Account, payload: Signed['payload']): Promise<Reply> {
    const order = this.#order(index, account);
    if (order.status !== 'ready') throw new AcmeRefusal(403, 'orderNotReady', order.status);
    const request = new x509.Pkcs10CertificateRequest(
      Buffer.from(String(payload?.csr), 'base64url'),
    );
    await checkRequest(request, order);
    order.status = 'processing';
    void this.#issue(request, order.names).then((chain) => {
      order.chain = chain;
      order.status = 'valid';
    });
    return { status: 200, body: this.#shownOrder(index, account) };
  }

  async #issue(request: x509.Pkcs10CertificateRequest, names: readonly string[]): Promise<string> {
    const now = this.#options.now();
    const publicKey = await request.publicKey.export();
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: `41${randomBytes(12).toString('hex')}`,
      subject: '',
      issuer: this.#options.issuer.certificate.subjectName,
      notBefore: new Date(now - this.#options.backdateMs),
      notAfter: new Date(now + this.#options.lifetimeMs),
      publicKey,
      signingKey: this.#options.issuer.keys.privateKey,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: 'dns' as const, value })),
          true,
        ),
        await x509.AuthorityKeyIdentifierExtension.create(this.#options.issuer.keys.publicKey),
      ],
    });
    return `${certificate.toString('pem')}\n${this.#options.issuer.chainPem}`;
  }

  #order(index: number, account: Account): OrderState {
    const order = this.orders[index];
    if (order?.account === account) return order;
    throw new AcmeRefusal(404, 'malformed', 'no such order');
  }

  #authorization(index: number, account: Account): AuthorizationState {
    const authorization = this.#authorizations[index];
    if (authorization?.account === account) return authorization;
    throw new AcmeRefusal(404, 'malformed', 'no such authorization');
  }

  #shownOrder(index: number, account: Account): object {
    const { status, names, authorizations } = this.#order(index, account);
    const { base } = this;
    return {
      status,
      expires: new Date(this.#options.now() + 3_600_000).toISOString(),
      identifiers: names.map((value) => ({ type: 'dns', value })),
      authorizations: authorizations.map((i) => `${base}/authorization/${i}`),
      finalize: `${base}/finalize/${index}`,
      ...(status === 'valid' ? { certificate: `${base}/certificate/${index}` } : {}),
    };
  }

  #shownAuthorization(index: number, account: Account): object {
    const { name, status, challenges } = this.#authorization(index, account);
    return {
      identifier: { type: 'dns', value: name },
      status,
      challenges: challenges.map((one, i) => this.#shownChallenge(index * TYPES.length + i, one)),
    };
  }

  #shownChallenge(index: number, { type, token, status, error }: ChallengeState): object {
    const url = `${this.base}/challenge/${index}`;
    return { type, url, token, status, ...(error === null ? {} : { error }) };
  }
}

async function checkRequest(
  request: x509.Pkcs10CertificateRequest,
  order: OrderState,
): Promise<void> {
  const refuse = (detail: string) => new AcmeRefusal(400, 'badCSR', detail);
  if (!(await request.verify())) throw refuse('its signature does not hold');
  const names = request.extensions.find(
    (one): one is x509.SubjectAlternativeNameExtension =>
      one instanceof x509.SubjectAlternativeNameExtension,
  );
  const asked = names?.names
    .toJSON()
    .map(({ value }) => value)
    .sort();
  if (asked?.join(' ') !== [...order.names].sort().join(' ')) throw refuse(`names: ${asked}`);
  const jwk = (await crypto.subtle.exportKey(
    'jwk',
    await request.publicKey.export(),
  )) as JsonWebKey;
  if (jwk.crv !== 'P-256') throw refuse(`a key of ${jwk.kty} ${jwk.crv}`);
  if (thumbprint(jwk) === thumbprint(order.account.jwk)) throw refuse("it is the account's key");
}

const contactOf = (payload: Signed['payload']) => (payload?.contact ?? []) as string[];

const shownAccount = ({ contact }: Account) => ({ status: 'valid', contact });
