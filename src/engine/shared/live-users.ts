// The users of one forward proxy under one plan: who somebody is by name and password. The oracle knows passwords and
// takes its time over each, right or wrong; Verdicts remembers for a while what it said, without the passwords.
// Main thread; LiveUsers is owned by a LivePlan, Verdicts by EntityTable.
import { createHmac, randomBytes } from 'node:crypto';
import type { PlanUsers } from '../../plan/plan.ts';
import type { Oracle } from '../engine.ts';
import type { LiveUser } from './live-user.ts';

export class LiveUsers {
  readonly plan: PlanUsers;
  readonly #users: ReadonlyMap<string, LiveUser>;
  readonly #verdicts: Verdicts;

  constructor(plan: PlanUsers, users: ReadonlyMap<string, LiveUser>, verdicts: Verdicts) {
    this.plan = plan;
    this.#users = users;
    this.#verdicts = verdicts;
  }

  /** The user with that name and password, or null. */
  async find(name: string, password: string): Promise<LiveUser | null> {
    const isRight = await this.#verdicts.isPassword(this.plan, name, password);
    return isRight ? (this.#users.get(name) ?? null) : null;
  }
}

const RIGHT_MS = 5 * 60_000;
const WRONG_MS = 2_000;
/** Of each kind. */
const MAX_VERDICTS = 1_024;

export class Verdicts {
  readonly #oracle: Oracle | null;
  readonly #secret = randomBytes(32);
  /** Until when, by a digest of everything that a verdict hangs on; the oldest first. Apart, so that guesses push out
   * nobody who is known. */
  readonly #right = new Map<string, number>();
  readonly #wrong = new Map<string, number>();
  /** Those that the oracle has been asked for and has not answered. */
  readonly #asked = new Map<string, Promise<boolean>>();

  constructor(oracle: Oracle | null) {
    this.#oracle = oracle;
  }

  async isPassword({ file, digest }: PlanUsers, name: string, password: string): Promise<boolean> {
    if (this.#oracle === null) return false;
    const key = createHmac('sha256', this.#secret)
      .update(JSON.stringify([file, digest, name, password]))
      .digest('base64');
    const nowMs = performance.now();
    if (nowMs < (this.#right.get(key) ?? 0)) return true;
    if (nowMs < (this.#wrong.get(key) ?? 0)) return false;
    const asked = this.#asked.get(key) ?? this.#ask(this.#oracle, key, [file, name, password]);
    return asked;
  }

  #ask(oracle: Oracle, key: string, question: readonly [string, string, string]): Promise<boolean> {
    const asked = oracle.isPassword(...question).then(
      (isRight) => {
        this.#asked.delete(key);
        this.#remember(key, isRight);
        return isRight;
      },
      () => {
        this.#asked.delete(key);
        return false;
      },
    );
    this.#asked.set(key, asked);
    return asked;
  }

  #remember(key: string, isRight: boolean): void {
    this.#right.delete(key);
    this.#wrong.delete(key);
    const verdicts = isRight ? this.#right : this.#wrong;
    verdicts.set(key, performance.now() + (isRight ? RIGHT_MS : WRONG_MS));
    if (verdicts.size <= MAX_VERDICTS) return;
    const [oldest = key] = verdicts.keys();
    verdicts.delete(oldest);
  }
}

/** RFC 7617: what `Proxy-Authorization: Basic` says; null when it says nothing that is well-formed. */
export function readBasic(
  value: string,
): { readonly name: string; readonly password: string } | null {
  const match = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(value);
  const coded = match?.[1];
  if (coded === undefined || coded.length % 4 !== 0) return null;
  const bytes = Buffer.from(coded, 'base64');
  if (bytes.toString('base64') !== coded) return null;
  const colon = bytes.indexOf(0x3a);
  const text = decodeText(bytes);
  if (colon < 0 || text === null) return null;
  const at = text.indexOf(':');
  return { name: text.slice(0, at), password: text.slice(at + 1) };
}

/** null for what is no UTF-8 or holds control characters (RFC 7617, section 2). */
export function decodeText(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return /\p{Cc}/u.test(text) ? null : text;
  } catch {
    return null;
  }
}
