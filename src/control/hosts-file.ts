// The system's table of hosts, /etc/hosts: read whole, looked at again when it changes. One that cannot be read is empty.
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { NameAddress } from './dns-resolver.ts';
import { type FileWatch, signatureOf, watchFiles } from './file-watch.ts';

export const HOSTS_FILE = '/etc/hosts';

export interface HostsFileOptions {
  readonly file?: string;
  /** As of watchFiles(). */
  readonly pollMs?: number;
  readonly quietMs?: number;
  /** It has been read again. */
  readonly onChange?: () => void;
}

export class HostsFile {
  #hosts: ReadonlyMap<string, readonly NameAddress[]>;
  #watch: FileWatch;

  private constructor(
    hosts: ReadonlyMap<string, readonly NameAddress[]>,
    known: string,
    { file = HOSTS_FILE, onChange, pollMs, quietMs }: HostsFileOptions,
  ) {
    this.#hosts = hosts;
    this.#watch = watchFiles({
      files: [file],
      known,
      onChange: async () => {
        this.#hosts = await readHosts(file);
        onChange?.();
      },
      ...(pollMs === undefined ? {} : { pollMs }),
      ...(quietMs === undefined ? {} : { quietMs }),
    });
  }

  static async open(options: HostsFileOptions = {}): Promise<HostsFile> {
    const { file = HOSTS_FILE } = options;
    const known = await signatureOf([file]);
    return new HostsFile(await readHosts(file), known, options);
  }

  /** `name` in lower case, without trailing dot. */
  addressesOf(name: string): readonly NameAddress[] | undefined {
    return this.#hosts.get(name);
  }

  close(): void {
    this.#watch.close();
  }
}

async function readHosts(file: string): Promise<ReadonlyMap<string, readonly NameAddress[]>> {
  try {
    return parseHosts(await readFile(file, 'utf8'));
  } catch {
    return new Map();
  }
}

/** hosts(5): an address, its names, and comments. A name on several lines has all of their addresses. */
export function parseHosts(text: string): ReadonlyMap<string, readonly NameAddress[]> {
  const hosts = new Map<string, NameAddress[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    const family = isIP(address);
    if (family === 0 || address.includes('%')) continue;
    const found: NameAddress = { family: family === 4 ? 'ipv4' : 'ipv6', host: address };
    for (const name of names) {
      const key = name.toLowerCase().replace(/\.$/, '');
      const known = hosts.get(key);
      if (known === undefined) hosts.set(key, [found]);
      else known.push(found);
    }
  }
  return hosts;
}
