// The keys of session tickets: new ones every period; those of the period before still open what they sealed.
// Main thread; owned by EntityTable, so that sessions survive reloads.
import { randomBytes } from 'node:crypto';

interface Key {
  readonly name: Buffer;
  readonly mac: Buffer;
  readonly cipher: Buffer;
}

export class TicketKeys {
  readonly #periodMs: number;
  readonly #now: () => number;
  #current = newKey();
  #previous: Key | null = null;
  #sinceMs: number;

  constructor(periodSeconds: number, now: () => number = Date.now) {
    this.#periodMs = Math.max(1, periodSeconds) * 1000;
    this.#now = now;
    this.#sinceMs = now();
  }

  /** What node's ticket callback answers: how it went, the keys, and for a new ticket its name and vector. */
  answer(name: Buffer, isNew: boolean): readonly (number | Buffer)[] {
    this.#advance();
    if (isNew) {
      const { mac, cipher, name: own } = this.#current;
      return [1, mac, cipher, own, randomBytes(16)];
    }
    if (this.#current.name.equals(name)) return [1, this.#current.mac, this.#current.cipher];
    // 2: the client is to get a new ticket, made with the current key.
    if (this.#previous?.name.equals(name)) return [2, this.#previous.mac, this.#previous.cipher];
    return [0, this.#current.mac, this.#current.cipher];
  }

  #advance(): void {
    const periods = Math.floor((this.#now() - this.#sinceMs) / this.#periodMs);
    if (periods < 1) return;
    this.#previous = periods === 1 ? this.#current : null;
    this.#current = newKey();
    this.#sinceMs += periods * this.#periodMs;
  }
}

function newKey(): Key {
  return { name: randomBytes(16), mac: randomBytes(16), cipher: randomBytes(16) };
}
