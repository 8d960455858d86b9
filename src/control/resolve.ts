// Names to addresses, on the main thread: once before a plan can be made, then again and again, so that a target
// that moves is followed. A name that fails later keeps its last good addresses.
import { lookup as lookupCallback } from 'node:dns';
import { promisify } from 'node:util';
import { formatAddress, type SocketAddress } from '../contract/address.ts';
import { SluiceError } from '../contract/errors.ts';
import type { NameToResolve, ResolvedNames } from '../plan/compile.ts';

export interface FoundAddress {
  readonly address: string;
  readonly family: number;
}

export type Lookup = (host: string) => Promise<readonly FoundAddress[]>;

const LOOKUP_TIMEOUT_MS = 10_000;
const REFRESH_INTERVAL_MS = 30_000;

const lookupAll = promisify(lookupCallback);
const systemLookup: Lookup = (host) => lookupAll(host, { all: true });

/** Throws SluiceError `resolve_failed` that names the first name without an address. */
export async function resolveNames(
  names: readonly NameToResolve[],
  lookup: Lookup = systemLookup,
): Promise<ResolvedNames> {
  const found = await Promise.all(
    names.map(async (name) => [name.name, await resolveName(name, lookup)] as const),
  );
  return new Map(found);
}

export interface RefreshOptions {
  readonly names: readonly NameToResolve[];
  readonly resolved: ResolvedNames;
  /** Called with all names when any has moved; the next round begins when it has settled. */
  readonly onChange: (resolved: ResolvedNames, moved: readonly string[]) => Promise<void>;
  readonly onWarning: (message: string) => void;
  readonly lookup?: Lookup;
  readonly intervalMs?: number;
}

export interface Refresh {
  close(): void;
}

/** Resolves the targets' names anew every half minute until it is closed. Never throws. */
export function refreshNames(options: RefreshOptions): Refresh {
  const { onChange, onWarning, lookup = systemLookup, intervalMs = REFRESH_INTERVAL_MS } = options;
  // A listener stays where it was bound.
  const names = options.names.filter(({ path }) => path.startsWith('pools.'));
  const failing = new Set<string>();
  let resolved = options.resolved;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;

  const round = async (): Promise<void> => {
    const next = new Map(resolved);
    await Promise.all(
      names.map(async (name) => {
        try {
          next.set(name.name, await resolveName(name, lookup));
          failing.delete(name.name);
        } catch (error) {
          // Once a streak: a name server that is down for an hour is one piece of news.
          if (!failing.has(name.name)) onWarning(`${messageOf(error)}; keeping its last addresses`);
          failing.add(name.name);
        }
      }),
    );
    const moved = [...next].filter(([name, found]) => keyOf(found) !== keyOf(resolved.get(name)));
    if (isClosed || moved.length === 0) return;
    await onChange(
      next,
      moved.map(([name]) => name),
    );
    resolved = next;
  };
  const arm = (): void => {
    if (isClosed || names.length === 0) return;
    timer = setTimeout(() => {
      round()
        .catch((error: unknown) => onWarning(messageOf(error)))
        .finally(arm);
    }, intervalMs).unref();
  };
  arm();
  return {
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}

async function resolveName(
  { path, host, port, name }: NameToResolve,
  lookup: Lookup,
): Promise<readonly SocketAddress[]> {
  try {
    const found = await withTimeout(lookup(host));
    const ipv4 = found.filter(({ family }) => family === 4);
    const chosen = ipv4.length > 0 ? ipv4 : found;
    if (chosen.length === 0) throw Object.assign(new Error('no address'), { code: 'ENODATA' });
    const texts = new Set(chosen.map(({ address }) => address));
    // Sorted: name servers rotate their answers, and an order that changes is no news.
    return [...texts]
      .sort()
      .map((text) => ({ family: ipv4.length > 0 ? 'ipv4' : 'ipv6', host: text, port }));
  } catch (cause) {
    throw new SluiceError(
      'resolve_failed',
      `${describePlace(path, name)}: cannot resolve ${host} (${reasonOf(cause)}): correct the name, add it to /etc/hosts, or write the address itself`,
      { cause },
    );
  }
}

async function withTimeout<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(Object.assign(new Error('no answer'), { code: 'ETIMEOUT' }));
    }, LOOKUP_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function describePlace(path: string, name: string): string {
  const pool = /^pools\.(.+)\.targets\[\d+\]$/.exec(path)?.[1];
  if (pool) return `pool ${pool}, target ${name}`;
  const listener = /^listeners\.(.+)\.address$/.exec(path)?.[1];
  return listener ? `listener ${listener}, address ${name}` : path;
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const meaning: Record<string, string> = {
    ENOTFOUND: 'no such name',
    EAI_AGAIN: 'no name server answers',
    ENODATA: 'the name has no address',
    ETIMEOUT: 'no answer in time',
  };
  const text = meaning[code] ?? messageOf(cause);
  return code ? `${code}: ${text}` : text;
}

function keyOf(addresses: readonly SocketAddress[] | undefined): string {
  return (addresses ?? []).map(formatAddress).join(' ');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
