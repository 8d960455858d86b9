// What engines ask while plans come and go: the addresses of names, and whether passwords are right. Lives as long as its
// engine; main thread.
import type { Config } from '../config/config.ts';
import type { NameAnswer, Oracle } from '../engine/engine.ts';
import { forwardListeners } from '../plan/forward-files.ts';
import { Names } from './names.ts';
import { Passwords } from './passwords.ts';
import type { UsersFile } from './users-file.ts';

const NOBODY_TO_ASK: NameAnswer = { addresses: [], ttlMs: 0, error: 'name_timeout' };

export class LiveOracle implements Oracle {
  readonly #passwords: Passwords;
  /** null where there is no forward proxy. */
  #names: Names | null = null;
  #inUse: [Config, ReadonlyMap<string, UsersFile>] | null = null;
  /** What the names depend on. */
  #key = '';

  constructor(onWarning: (message: string) => void) {
    this.#passwords = new Passwords({ onWarning });
  }

  /**
   * From now on answers by this configuration and these users. What is remembered of names stays, if it still holds.
   * Gives what takes that back.
   */
  async use(
    config: Config,
    users: ReadonlyMap<string, UsersFile>,
  ): Promise<() => Promise<unknown>> {
    const before = this.#inUse;
    await this.#turnTo(config, users);
    return async () => before !== null && (await this.#turnTo(...before));
  }

  async addressesOf(host: string): Promise<NameAnswer> {
    const names = this.#names;
    if (names === null) return NOBODY_TO_ASK;
    const answer = await names.addressesOf(host);
    // Broken off because another configuration holds by now: names are asked for by that instead.
    const isStale = names !== this.#names;
    return answer.error === 'name_timeout' && isStale ? this.addressesOf(host) : answer;
  }

  isPassword(file: string, name: string, password: string): Promise<boolean> {
    return this.#passwords.isPassword(file, name, password);
  }

  async close(): Promise<void> {
    this.#names?.close();
    this.#names = null;
    await this.#passwords.close();
  }

  async #turnTo(config: Config, users: ReadonlyMap<string, UsersFile>): Promise<void> {
    this.#inUse = [config, users];
    this.#passwords.use(users);
    const key = forwardListeners(config).length === 0 ? '' : JSON.stringify(config.resolver);
    if (key === this.#key) return;
    const names = key === '' ? null : await Names.open(config.resolver);
    this.#names?.close();
    this.#names = names;
    this.#key = key;
  }
}
