// What name servers say of a name: its IPv6 and IPv4 addresses, asked for at once with c-ares, which blocks no thread.
// Owned by Names, on the main thread. It remembers nothing.
import { promises as dns, type RecordWithTtl } from 'node:dns';
import type { NameAnswer } from '../engine/engine.ts';

export type NameAddress = NameAnswer['addresses'][number];

/** `none`: the name does not exist or has no address. `failed`: nobody could say. */
export type DnsAnswer =
  | {
      readonly kind: 'found';
      readonly addresses: readonly NameAddress[];
      readonly ttlMs: number;
    }
  | { readonly kind: 'none' | 'failed' };

export interface DnsOptions {
  /** As setServers() takes them; empty = the system's. */
  readonly servers: readonly string[];
  readonly timeoutMs: number;
}

/** How much longer one family is waited for when the other has come; RFC 8305 3 waits less, but forgets its answer sooner. */
const OTHER_FAMILY_MS = 250;
/** An answer that lacks a family for that reason does not hold longer. */
const MAX_HALF_TTL_MS = 30_000;
/** Of each server, the second time after twice as long. */
const TRIES = 2;
const MIN_TRY_MS = 100;

export class DnsResolver {
  readonly #resolver: dns.Resolver;
  readonly #timeoutMs: number;
  readonly #asking = new Set<() => void>();

  constructor({ servers, timeoutMs }: DnsOptions) {
    this.#timeoutMs = timeoutMs;
    const count = Math.max(1, servers.length === 0 ? dns.getServers().length : servers.length);
    const timeout = Math.max(MIN_TRY_MS, Math.round(timeoutMs / (3 * count)));
    this.#resolver = new dns.Resolver({ timeout, tries: TRIES });
    if (servers.length > 0) this.#resolver.setServers([...servers]);
  }

  /** Never rejects, and answers within the time limit. */
  async ask(host: string): Promise<DnsAnswer> {
    const halves: Half[] = [];
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#timeoutMs);
      let shorter: NodeJS.Timeout | undefined;
      const end = (): void => {
        clearTimeout(timer);
        clearTimeout(shorter);
        this.#asking.delete(end);
        resolve();
      };
      const take = (half: Half): void => {
        halves.push(half);
        if (halves.length === 2) end();
        else if (half.kind === 'found') shorter = setTimeout(end, OTHER_FAMILY_MS);
      };
      this.#asking.add(end);
      void half('ipv6', this.#resolver.resolve6(host, { ttl: true })).then(take);
      void half('ipv4', this.#resolver.resolve4(host, { ttl: true })).then(take);
    });
    return together(halves.slice(0, 2));
  }

  /** What is being asked fails. */
  close(): void {
    this.#resolver.cancel();
    for (const end of [...this.#asking]) end();
  }
}

type Half =
  | {
      readonly kind: 'found';
      readonly family: NameAddress['family'];
      readonly records: readonly RecordWithTtl[];
    }
  | { readonly kind: 'none' | 'failed' };

async function half(
  family: NameAddress['family'],
  asked: Promise<readonly RecordWithTtl[]>,
): Promise<Half> {
  try {
    const records = await asked;
    return records.length === 0 ? { kind: 'none' } : { kind: 'found', family, records };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    return { kind: /^(ENOTFOUND|ENODATA|EBADNAME)$/.test(code) ? 'none' : 'failed' };
  }
}

/** One family that answers is enough: some servers never answer for IPv6, or say that the name does not exist. */
function together(halves: readonly Half[]): DnsAnswer {
  const found = halves.flatMap((one) => (one.kind === 'found' ? [one] : []));
  if (found.length === 0) {
    const isSure = halves.length === 2 && halves.every(({ kind }) => kind === 'none');
    return { kind: isSure ? 'none' : 'failed' };
  }
  const ttlMs = 1000 * Math.min(...found.flatMap(({ records }) => records.map(({ ttl }) => ttl)));
  const isWhole = halves.length === 2 && halves.every(({ kind }) => kind !== 'failed');
  return {
    kind: 'found',
    addresses: inOrder(
      found.flatMap(({ family, records }) =>
        records.map(({ address }) => ({ family, host: address })),
      ),
    ),
    ttlMs: isWhole ? ttlMs : Math.min(ttlMs, MAX_HALF_TTL_MS),
  };
}

/** IPv6 first, each once, otherwise as they came. */
export function inOrder(addresses: readonly NameAddress[]): readonly NameAddress[] {
  const distinct = [...new Map(addresses.map((one) => [one.host, one])).values()];
  return ['ipv6', 'ipv4'].flatMap((family) => distinct.filter((one) => one.family === family));
}
