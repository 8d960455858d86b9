// Bytes as they arrived, in one growing block, so that a large message is not copied for every read.

export class ByteStore {
  #block: Buffer = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** A view of everything so far; valid until the next append. */
  get view(): Buffer {
    return this.#block.subarray(0, this.#length);
  }

  append(bytes: Buffer): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#block.length) {
      const block = Buffer.allocUnsafe(Math.max(needed, this.#block.length * 2, 512));
      this.#block.copy(block, 0, 0, this.#length);
      this.#block = block;
    }
    bytes.copy(this.#block, this.#length);
    this.#length = needed;
  }

  clear(): void {
    this.#length = 0;
  }
}

/** Bytes written as text in tests are Latin-1: one character, one byte. */
export function bytesOf(text: string | Uint8Array): Buffer {
  return typeof text === 'string' ? Buffer.from(text, 'latin1') : Buffer.from(text);
}
