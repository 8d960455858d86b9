// The system's own way to find the addresses of a name (getaddrinfo), which knows of more than name servers do: mDNS,
// containers, whatever nsswitch.conf lists. It blocks a thread of Node's pool, so few ask at a time.
import { lookup as lookupCallback } from 'node:dns';
import { promisify } from 'node:util';
import { type DnsAnswer, inOrder } from './dns-resolver.ts';
import type { Lookup } from './resolve.ts';
import { Turns } from './turns.ts';

/** The pool has four threads, which passwords and files need too. */
const LIMITS = { atATime: 2, waiting: 64 };
/** The system tells no time. */
const TTL_MS = 30_000;

const lookupAll = promisify(lookupCallback);

export const systemLookup: Lookup = (host) => lookupAll(host, { all: true, verbatim: true });

const FAILED: DnsAnswer = { kind: 'failed' };

export class SystemNames {
  readonly #lookup: Lookup;
  readonly #timeoutMs: number;
  readonly #turns = new Turns(LIMITS);
  readonly #asking = new Set<() => void>();

  constructor(lookup: Lookup, timeoutMs: number) {
    this.#lookup = lookup;
    this.#timeoutMs = timeoutMs;
  }

  /** Never rejects, and answers within the time limit. */
  ask(host: string): Promise<DnsAnswer> {
    return new Promise((resolve) => {
      let isOver = false;
      const end = (answer: DnsAnswer): void => {
        isOver = true;
        clearTimeout(timer);
        this.#asking.delete(give);
        resolve(answer);
      };
      const give = (): void => end(FAILED);
      const timer = setTimeout(give, this.#timeoutMs);
      this.#asking.add(give);
      const asked = this.#turns.take(() => (isOver ? Promise.resolve(FAILED) : this.#find(host)));
      if (asked === null) give();
      else void asked.then(end);
    });
  }

  /** What is being asked fails; the threads that look it up end by themselves. */
  close(): void {
    for (const give of [...this.#asking]) give();
  }

  async #find(host: string): Promise<DnsAnswer> {
    try {
      // Only names of one label get the search domains of the system.
      const found = await this.#lookup(host.includes('.') ? `${host}.` : host);
      const addresses = inOrder(
        found
          .filter(({ address }) => !address.includes('%'))
          .map(({ address, family }) => ({
            family: family === 6 ? 'ipv6' : 'ipv4',
            host: address,
          })),
      );
      return addresses.length === 0
        ? { kind: 'none' }
        : { kind: 'found', addresses, ttlMs: TTL_MS };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      return { kind: /^(ENOTFOUND|ENODATA)$/.test(code) ? 'none' : 'failed' };
    }
  }
}
