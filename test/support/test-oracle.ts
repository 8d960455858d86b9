// An oracle under a test's control: it knows the names and passwords that it was given, notes what it is asked, and
// answers when the test lets it. An engine that asks anybody else finds nothing.
import type { NameAnswer, Oracle } from '../../src/engine/engine.ts';

/** Addresses, an error, or something that says so later, or every time anew. */
export type Known =
  | readonly string[]
  | 'name_not_found'
  | 'name_timeout'
  | (() => readonly string[] | 'name_not_found' | 'name_timeout' | Promise<readonly string[]>);

export class TestOracle implements Oracle {
  readonly names: Map<string, Known>;
  /** By user, whatever the file. */
  readonly passwords: Map<string, string>;
  /** How long answers hold. */
  ttlMs = 0;
  readonly askedNames: string[] = [];
  /** `user:password`. */
  readonly askedPasswords: string[] = [];
  /** What an answer about a password waits for. */
  gate: Promise<void> = Promise.resolve();

  constructor(
    names: Readonly<Record<string, Known>> = {},
    passwords: Readonly<Record<string, string>> = {},
  ) {
    this.names = new Map(Object.entries(names));
    this.passwords = new Map(Object.entries(passwords));
  }

  async addressesOf(host: string): Promise<NameAnswer> {
    this.askedNames.push(host);
    const known = this.names.get(host) ?? 'name_not_found';
    const found = typeof known === 'function' ? await known() : known;
    if (typeof found === 'string') return { addresses: [], ttlMs: this.ttlMs, error: found };
    const addresses = found.map((address) => ({
      family: address.includes(':') ? ('ipv6' as const) : ('ipv4' as const),
      host: address,
    }));
    return { addresses, ttlMs: this.ttlMs, error: 'none' };
  }

  async isPassword(_file: string, name: string, password: string): Promise<boolean> {
    this.askedPasswords.push(`${name}:${password}`);
    await this.gate;
    return this.passwords.get(name) === password;
  }
}
