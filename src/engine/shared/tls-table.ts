// The TLS contexts of plans, found again by what they are made of: a reload that changes nothing about them keeps
// sessions and what connections to targets were agreed on. Main thread; owned by EntityTable.
import { createHash } from 'node:crypto';
import { SluiceError } from '../../contract/errors.ts';
import type { PlanCertificate, PlanClientTls, PlanServerTls } from '../../plan/plan.ts';
import { ClientTls } from './client-tls.ts';
import { ServerTls } from './server-tls.ts';
import { TicketKeys } from './ticket-keys.ts';

export class TlsTable {
  readonly #servers = new Map<string, ServerTls>();
  readonly #clients = new Map<string, ClientTls>();
  /** Tickets of listeners whose sessions live equally long are sealed with the same keys. */
  readonly #tickets = new Map<number, TicketKeys>();

  /** Throws SluiceError `plan_rejected` when node:tls refuses something. */
  server(plan: PlanServerTls, listener: string): ServerTls {
    const key = digestOf([listener, { ...plan, certificates: plan.certificates.map(whole) }]);
    return found(this.#servers, key, () =>
      checked(`listener ${listener}`, () => {
        const period = plan.sessionSeconds;
        const keys = this.#tickets.get(period) ?? new TicketKeys(period);
        this.#tickets.set(period, keys);
        return new ServerTls(plan, listener, keys);
      }),
    );
  }

  client(plan: PlanClientTls): ClientTls {
    const { certificate } = plan;
    const key = digestOf({
      ...plan,
      certificate: certificate === null ? null : whole(certificate),
    });
    return found(this.#clients, key, () => checked('TLS to targets', () => new ClientTls(plan)));
  }

  /** Forgets what is in neither. */
  settle(servers: ReadonlySet<ServerTls>, clients: ReadonlySet<ClientTls>): void {
    for (const [key, server] of this.#servers) if (!servers.has(server)) this.#servers.delete(key);
    for (const [key, client] of this.#clients) if (!clients.has(client)) this.#clients.delete(key);
    const periods = new Set([...servers].map(({ plan }) => plan.sessionSeconds));
    for (const period of this.#tickets.keys())
      if (!periods.has(period)) this.#tickets.delete(period);
  }
}

/** With its key, which does not print by itself. */
function whole({ name, chain, key, ocsp }: PlanCertificate): unknown {
  return [name, chain, key.reveal(), Buffer.from(ocsp).toString('base64')];
}

/** Only digests are kept: keys are not to lie about as names. */
function digestOf(content: unknown): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('base64');
}

function found<T>(table: Map<string, T>, key: string, create: () => T): T {
  const existing = table.get(key);
  if (existing !== undefined) return existing;
  const created = create();
  table.set(key, created);
  return created;
}

/** OpenSSL's errors say what is wrong and never show a key. */
function checked<T>(where: string, create: () => T): T {
  try {
    return create();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SluiceError('plan_rejected', `${where}: ${reason}`, { cause: error });
  }
}
