// Text that must not be seen: private keys, passwords. It shows itself to reveal() alone; printed, logged, inspected or
// made JSON of, it says that it is one.

const MASK = '[secret]';

export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  /** What node:util's inspect asks for, and with it console.log. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return MASK;
  }
}
