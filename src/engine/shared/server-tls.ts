// What a listener ends TLS with: a context of node:tls for every set of certificates, the names that they serve,
// and the keys of tickets. Immutable; made with a plan and kept by the connections that began under it.
import { constants, createHash, X509Certificate } from 'node:crypto';
import tls, { type SecureContext } from 'node:tls';
import { normalizeHost } from '../../plan/match.ts';
import type { PlanCertificate, PlanServerName, PlanServerTls } from '../../plan/plan.ts';
import type { ClientHello } from './client-hello.ts';
import type { TicketKeys } from './ticket-keys.ts';
import { crlOption, termsOptions } from './tls-terms.ts';

/** RFC 8737: who offers this and nothing else validates a challenge. */
const CHALLENGE_PROTOCOL = 'acme-tls/1';

export interface Identity {
  readonly context: SecureContext;
  /** What node:tls asks for an OCSP response; null when there is none. */
  readonly stapler: tls.Server | null;
}

/** What may be shown for a name: the first that the client can check, else the last. */
type Candidates = readonly { readonly identity: Identity; isFor(hello: ClientHello): boolean }[];

export type Choice =
  | { readonly kind: 'unknownName' | 'noProtocol' }
  | {
      readonly kind: 'identity' | 'challenge';
      readonly identity: Identity;
      /** To agree on; empty = none is. */
      readonly alpn: readonly string[];
    };

/** The part of node's SecureContext that has no type: it is what setTicketKeys() does without. */
interface TicketContext {
  onticketkeycallback(name: Buffer, vector: Buffer, isNew: boolean): readonly (number | Buffer)[];
  enableTicketKeyCallback(): void;
}

export class ServerTls {
  readonly plan: PlanServerTls;
  readonly #identities: readonly Candidates[];
  readonly #names: ReadonlyMap<string, number>;
  readonly #challenges: ReadonlyMap<string, number>;

  /** `scope` sets sessions of one listener apart from those of another. Throws what node:tls refuses. */
  constructor(plan: PlanServerTls, scope: string, tickets: TicketKeys) {
    this.plan = plan;
    this.#names = byName(plan.names);
    this.#challenges = byName(plan.challenges);
    this.#identities = plan.identities.map((members) => candidates(plan, members, scope, tickets));
  }

  /** How a client that says this is served. */
  choose(hello: ClientHello): Choice {
    const { serverName, alpn } = hello;
    const { plan } = this;
    if (alpn.length === 1 && alpn[0] === CHALLENGE_PROTOCOL) {
      const challenge = this.#at(find(this.#challenges, serverName), hello);
      if (challenge !== null) return { kind: 'challenge', identity: challenge, alpn };
    }
    const known = serverName === '' ? null : find(this.#names, serverName);
    if (known === null && serverName !== '' && plan.rejectsUnknownNames) {
      return { kind: 'unknownName' };
    }
    const isAgreeable = alpn.length === 0 || plan.alpn.some((one) => alpn.includes(one));
    const chosen = this.#at(known ?? 0, hello);
    if (chosen === null || (!isAgreeable && plan.alpn.length > 0)) return { kind: 'noProtocol' };
    return { kind: 'identity', identity: chosen, alpn: plan.alpn };
  }

  /** False when unknown names are rejected and no certificate is for this host. */
  mayAskFor(authority: string): boolean {
    return !this.plan.rejectsUnknownNames || find(this.#names, normalizeHost(authority)) !== null;
  }

  #at(index: number | null, hello: ClientHello): Identity | null {
    const all = index === null ? [] : (this.#identities[index] ?? []);
    return (all.find(({ isFor }) => isFor(hello)) ?? all.at(-1))?.identity ?? null;
  }
}

function byName(names: readonly PlanServerName[]): ReadonlyMap<string, number> {
  return new Map(names.map(({ name, identity: index }) => [name, index]));
}

/** A wildcard stands for one label (RFC 9525, section 6.3). */
function find(names: ReadonlyMap<string, number>, name: string): number | null {
  const exact = names.get(name);
  if (exact !== undefined) return exact;
  const dot = name.indexOf('.');
  return dot < 1 ? null : (names.get(`*${name.slice(dot)}`) ?? null);
}

/**
 * node:tls does not say which of several certificates it is about to show. Where one of them has an OCSP response, each
 * is a candidate of its own; else OpenSSL chooses.
 */
function candidates(
  plan: PlanServerTls,
  members: readonly number[],
  scope: string,
  tickets: TicketKeys,
): Candidates {
  const all = members.flatMap((member) => plan.certificates[member] ?? []);
  if (all.every(({ ocsp }) => ocsp.length === 0))
    return [{ identity: identity(plan, all, scope, tickets), isFor: () => true }];
  // Those of ECDSA first, as OpenSSL has it: who can check them pays less for the handshake.
  return all
    .map((one) => ({ one, curve: curveOf(one) }))
    .sort((a, b) => Number(a.curve === null) - Number(b.curve === null))
    .map(({ one, curve }) => ({
      identity: identity(plan, [one], scope, tickets),
      isFor: (hello) => curve === null || canCheckEcdsa(plan, hello, curve),
    }));
}

/** The curve of an ECDSA key, as OpenSSL calls it; null for RSA. */
function curveOf({ chain }: PlanCertificate): string | null {
  return new X509Certificate(chain).publicKey.asymmetricKeyDetails?.namedCurve ?? null;
}

/** RFC 8446, section 4.2.3. */
const ECDSA_SCHEMES: ReadonlyMap<string, number> = new Map([
  ['prime256v1', 0x0403],
  ['secp384r1', 0x0503],
  ['secp521r1', 0x0603],
]);
/** Of TLS 1.2 and older, by OpenSSL's names (RFC 5289, RFC 8422, RFC 7905). */
const ECDSA_SUITES: ReadonlyMap<number, string> = new Map([
  [0xc009, 'ECDHE-ECDSA-AES128-SHA'],
  [0xc00a, 'ECDHE-ECDSA-AES256-SHA'],
  [0xc023, 'ECDHE-ECDSA-AES128-SHA256'],
  [0xc024, 'ECDHE-ECDSA-AES256-SHA384'],
  [0xc02b, 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  [0xc02c, 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  [0xcca9, 'ECDHE-ECDSA-CHACHA20-POLY1305'],
]);
const TLS_1_3 = 0x0304;

function canCheckEcdsa({ terms }: PlanServerTls, hello: ClientHello, curve: string): boolean {
  const scheme = ECDSA_SCHEMES.get(curve);
  if (scheme === undefined || !hello.signatureSchemes.includes(scheme)) return false;
  if (terms.maxVersion >= TLS_1_3 && hello.versions.includes(TLS_1_3)) return true;
  const served = terms.ciphers.split(':');
  return hello.cipherSuites.some((suite) => served.includes(ECDSA_SUITES.get(suite) ?? ''));
}

function identity(
  plan: PlanServerTls,
  certificates: readonly PlanCertificate[],
  scope: string,
  tickets: TicketKeys,
): Identity {
  const { mode, ca, crl } = plan.clientCertificates;
  const context = tls.createSecureContext({
    ...termsOptions(plan.terms),
    cert: certificates.map(({ chain }) => chain),
    key: certificates.map(({ key }) => key.reveal()),
    ...(mode === 'off' ? {} : { ca, ...crlOption(crl) }),
    honorCipherOrder: true,
    secureOptions:
      constants.SSL_OP_NO_RENEGOTIATION | (plan.sessionTickets ? 0 : constants.SSL_OP_NO_TICKET),
    sessionTimeout: plan.sessionSeconds,
    // Sessions are resumed only where the same client certificates are asked for.
    sessionIdContext: createHash('sha256')
      .update(JSON.stringify([scope, mode, ca, crl]))
      .digest('hex')
      .slice(0, 32),
  });
  if (plan.sessionTickets) useKeys(context.context as TicketContext, tickets);
  const staple = certificates.find(({ ocsp }) => ocsp.length > 0)?.ocsp;
  return { context, stapler: staple === undefined ? null : staplerOf(Buffer.from(staple)) };
}

function useKeys(context: TicketContext, tickets: TicketKeys): void {
  context.onticketkeycallback = (name, _vector, isNew) => tickets.answer(name, isNew);
  context.enableTicketKeyCallback();
}

/** It never listens: node:tls asks the server of a socket. */
function staplerOf(response: Buffer): tls.Server {
  return tls
    .createServer()
    .on('OCSPRequest', (_certificate, _issuer, answer) => answer(null, response));
}
