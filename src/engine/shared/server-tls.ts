// What a listener ends TLS with: a context of node:tls for every set of certificates, the names that they serve,
// and the keys of tickets. Immutable; made with a plan and kept by the connections that began under it.
import { constants, createHash } from 'node:crypto';
import tls, { type SecureContext } from 'node:tls';
import { normalizeHost } from '../../plan/match.ts';
import type { PlanServerName, PlanServerTls } from '../../plan/plan.ts';
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
  readonly #identities: readonly Identity[];
  readonly #names: ReadonlyMap<string, number>;
  readonly #challenges: ReadonlyMap<string, number>;

  /** `scope` sets sessions of one listener apart from those of another. Throws what node:tls refuses. */
  constructor(plan: PlanServerTls, scope: string, tickets: TicketKeys) {
    this.plan = plan;
    this.#names = byName(plan.names);
    this.#challenges = byName(plan.challenges);
    this.#identities = plan.identities.map((members) => identity(plan, members, scope, tickets));
  }

  /** How a client that says this is served. */
  choose({ serverName, alpn }: ClientHello): Choice {
    const { plan } = this;
    if (alpn.length === 1 && alpn[0] === CHALLENGE_PROTOCOL) {
      const challenge = this.#at(find(this.#challenges, serverName));
      if (challenge !== null) return { kind: 'challenge', identity: challenge, alpn };
    }
    const known = serverName === '' ? null : find(this.#names, serverName);
    if (known === null && serverName !== '' && plan.rejectsUnknownNames) {
      return { kind: 'unknownName' };
    }
    const isAgreeable = alpn.length === 0 || plan.alpn.some((one) => alpn.includes(one));
    const chosen = this.#at(known ?? 0);
    if (chosen === null || (!isAgreeable && plan.alpn.length > 0)) return { kind: 'noProtocol' };
    return { kind: 'identity', identity: chosen, alpn: plan.alpn };
  }

  /** False when unknown names are rejected and no certificate is for this host. */
  mayAskFor(authority: string): boolean {
    return !this.plan.rejectsUnknownNames || find(this.#names, normalizeHost(authority)) !== null;
  }

  #at(index: number | null): Identity | null {
    return index === null ? null : (this.#identities[index] ?? null);
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

function identity(
  plan: PlanServerTls,
  members: readonly number[],
  scope: string,
  tickets: TicketKeys,
): Identity {
  const certificates = members.flatMap((member) => plan.certificates[member] ?? []);
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
  const [only, ...others] = certificates;
  // node:tls does not say which of several certificates it is about to show.
  const hasStaple = only !== undefined && others.length === 0 && only.ocsp.length > 0;
  return { context, stapler: hasStaple ? staplerOf(Buffer.from(only.ocsp)) : null };
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
