// Names of destinations to addresses, for forward proxies: what Oracle.addressesOf() answers. In this order: `hosts` of
// the configuration; localhost, which is always the loopback address (RFC 6761 6.3); the system's table of hosts; name
// servers, whose answers are remembered for as long as they hold. Main thread; owned by whoever answers the engine.
import { isIP } from 'node:net';
import type { ResolverConfig } from '../config/config.ts';
import { isHostName } from '../config/host.ts';
import type { NameAnswer } from '../engine/engine.ts';
import {
  type DnsAnswer,
  type DnsOptions,
  DnsResolver,
  inOrder,
  type NameAddress,
} from './dns-resolver.ts';
import { type FileWatch, signatureOf, watchFiles } from './file-watch.ts';
import { HostsFile, type HostsFileOptions } from './hosts-file.ts';
import type { Lookup } from './resolve.ts';
import { SystemNames, systemLookup } from './system-names.ts';

export interface NamesOptions {
  /** The system's way to find names, which knows of more than name servers: mDNS, containers. */
  readonly lookup?: Lookup;
  readonly hostsFile?: HostsFileOptions;
  /** What says which name servers the system has, and how often it is looked at. */
  readonly resolvConf?: Pick<HostsFileOptions, 'file' | 'pollMs' | 'quietMs'>;
  readonly openResolver?: (options: DnsOptions) => DnsResolver;
  readonly nowMs?: () => number;
  readonly maxEntries?: number;
}

/** The least recently asked for goes when one more is remembered. */
const MAX_ENTRIES = 16_384;
/** Asked at a time; the next one is answered with a failure. */
const MAX_QUESTIONS = 1024;
/** Of what files and configurations say, which change seldom and cost nothing to ask for. */
const LOCAL_TTL_MS = 5_000;
/** A name server that is back is asked soon. */
const FAILURE_TTL_MS = 1_000;

const LOOPBACK: readonly NameAddress[] = [
  { family: 'ipv6', host: '::1' },
  { family: 'ipv4', host: '127.0.0.1' },
];

const RESOLV_CONF = '/etc/resolv.conf';

interface Entry {
  readonly answer: NameAnswer;
  readonly expiresAtMs: number;
}

export class Names {
  readonly #config: ResolverConfig;
  readonly #hosts: HostsFile;
  readonly #system: SystemNames;
  readonly #nowMs: () => number;
  readonly #maxEntries: number;
  readonly #own: ReadonlyMap<string, readonly NameAddress[]>;
  readonly #entries = new Map<string, Entry>();
  readonly #pending = new Map<string, Promise<NameAnswer>>();
  readonly #openResolver: () => DnsResolver;
  #resolver: DnsResolver;
  #resolverWatch: FileWatch | null = null;
  #isClosed = false;

  private constructor(config: ResolverConfig, hosts: HostsFile, options: NamesOptions) {
    this.#config = config;
    this.#hosts = hosts;
    this.#system = new SystemNames(options.lookup ?? systemLookup, config.timeout);
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#maxEntries = options.maxEntries ?? MAX_ENTRIES;
    this.#own = new Map(
      Object.entries(config.hosts).map(([host, addresses]) => [
        host.toLowerCase(),
        inOrder(
          addresses.flatMap(({ family, host: of }) =>
            family === 'unix' ? [] : [{ family, host: of }],
          ),
        ),
      ]),
    );
    const { openResolver = (of: DnsOptions) => new DnsResolver(of) } = options;
    const { servers, timeout: timeoutMs } = config;
    this.#openResolver = () => openResolver({ servers, timeoutMs });
    this.#resolver = this.#openResolver();
  }

  /** Reads the system's table of hosts. Never throws. */
  static async open(config: ResolverConfig, options: NamesOptions = {}): Promise<Names> {
    const names = new Names(config, await HostsFile.open(options.hostsFile), options);
    if (config.servers.length > 0) return names;
    const { file = RESOLV_CONF, ...pace } = options.resolvConf ?? {};
    names.#resolverWatch = watchFiles({
      files: [file],
      known: await signatureOf([file]),
      onChange: async () => names.#reopenResolver(),
      ...pace,
    });
    return names;
  }

  /** Never rejects. */
  async addressesOf(host: string): Promise<NameAnswer> {
    const name = host.toLowerCase().replace(/\.$/, '');
    const local = this.#localAnswer(name);
    if (local !== null) return local;
    const entry = this.#remembered(name);
    if (entry !== null) return entry;
    const pending = this.#pending.get(name);
    if (pending !== undefined) return pending;
    if (this.#isClosed || this.#pending.size >= MAX_QUESTIONS) return failure('name_timeout', 0);
    const asked = this.#ask(name).finally(() => this.#pending.delete(name));
    this.#pending.set(name, asked);
    return asked;
  }

  /** Nothing is left open; what is being asked is answered with a failure. */
  close(): void {
    this.#isClosed = true;
    this.#hosts.close();
    this.#resolverWatch?.close();
    this.#resolver.close();
    this.#system.close();
  }

  #localAnswer(name: string): NameAnswer | null {
    const own = this.#own.get(name);
    if (own !== undefined) return this.#found(own, LOCAL_TTL_MS);
    if (name === 'localhost' || name.endsWith('.localhost')) {
      return this.#found(LOOPBACK, LOCAL_TTL_MS);
    }
    const listed = this.#hosts.addressesOf(name);
    if (listed !== undefined) return this.#found(inOrder(listed), LOCAL_TTL_MS);
    const family = isIP(name);
    if (family !== 0) {
      return this.#found([{ family: family === 4 ? 'ipv4' : 'ipv6', host: name }], LOCAL_TTL_MS);
    }
    // What is no name never gets to a resolver, which may read addresses into it.
    return isHostName(name) ? null : failure('name_not_found', this.#config.negativeTtl);
  }

  #found(addresses: readonly NameAddress[], ttlMs: number): NameAnswer {
    return { addresses, ttlMs: Math.min(ttlMs, this.#config.maxTtl), error: 'none' };
  }

  #remembered(name: string): NameAnswer | null {
    const entry = this.#entries.get(name);
    if (entry === undefined) return null;
    this.#entries.delete(name);
    const ttlMs = Math.floor(entry.expiresAtMs - this.#nowMs());
    if (ttlMs <= 0) return null;
    this.#entries.set(name, entry);
    return { ...entry.answer, ttlMs };
  }

  async #ask(name: string): Promise<NameAnswer> {
    const answer = this.#judge(await this.#find(name));
    if (answer.ttlMs > 0 && !this.#isClosed) {
      this.#entries.set(name, { answer, expiresAtMs: this.#nowMs() + answer.ttlMs });
      const [oldest] = this.#entries.keys();
      if (this.#entries.size > this.#maxEntries && oldest !== undefined)
        this.#entries.delete(oldest);
    }
    return answer;
  }

  #judge(found: DnsAnswer): NameAnswer {
    const { minTtl, maxTtl, negativeTtl } = this.#config;
    if (found.kind === 'found') {
      const ttlMs = Math.min(Math.max(found.ttlMs, minTtl), maxTtl);
      return { addresses: found.addresses, ttlMs, error: 'none' };
    }
    return found.kind === 'none'
      ? failure('name_not_found', negativeTtl)
      : failure('name_timeout', FAILURE_TTL_MS);
  }

  async #find(name: string): Promise<DnsAnswer> {
    const isSystem = this.#config.servers.length === 0;
    // RFC 6762 3: such names are asked for on the local network.
    if (isSystem && name.endsWith('.local')) return this.#system.ask(name);
    const answer = await this.#askServers(name);
    if (!isSystem || answer.kind !== 'none') return answer;
    const other = await this.#system.ask(name);
    return other.kind === 'found' ? other : answer;
  }

  async #askServers(name: string): Promise<DnsAnswer> {
    const resolver = this.#resolver;
    const answer = await resolver.ask(name);
    // Broken off because there are others by now: they are asked instead.
    const isStale = resolver !== this.#resolver && !this.#isClosed;
    return answer.kind === 'failed' && isStale ? this.#askServers(name) : answer;
  }

  /** The system has other name servers now. */
  #reopenResolver(): void {
    if (this.#isClosed) return;
    this.#resolver.close();
    this.#resolver = this.#openResolver();
  }
}

function failure(error: 'name_not_found' | 'name_timeout', ttlMs: number): NameAnswer {
  return { addresses: [], ttlMs, error };
}
