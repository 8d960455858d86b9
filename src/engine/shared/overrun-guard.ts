// Watches one upstream connection for bytes behind the end of a response. node:http gives a connection back to its
// agent as soon as a response is complete, even when the same packet went on with half of another one, whose rest
// would then be taken for the answer to somebody else's request. Main thread; owned by an UpstreamAttempt.

const HEAD_END = Buffer.from('\r\n\r\n');

export class OverrunGuard {
  /** The last bytes before the packet in hand, enough to find a head's end that lies across the two. */
  #tail = Buffer.alloc(0);
  #bodyBytes = 0;
  #isInBody = false;

  /**
   * Takes a packet after node's parser has. `headsEnded` heads ended within it, the last of them the final
   * response's when `isFinalHead`.
   */
  take(packet: Buffer, headsEnded: number, isFinalHead: boolean): void {
    if (this.#isInBody) {
      this.#bodyBytes += packet.length;
    } else if (isFinalHead) {
      this.#isInBody = true;
      this.#bodyBytes = packet.length - this.#endOfHead(packet, headsEnded);
    }
    this.#tail = Buffer.concat([this.#tail, packet.subarray(-HEAD_END.length)]).subarray(
      -HEAD_END.length,
    );
  }

  /** Whether a response of which `length` body bytes were due (null: chunks) was followed by something. */
  hasOverrun(length: number | null): boolean {
    if (length !== null) return this.#bodyBytes > length;
    // Chunks and their trailers end with an empty line, and half a head never does.
    return !this.#tail.equals(HEAD_END);
  }

  /** Where in `packet` its last head ends. */
  #endOfHead(packet: Buffer, headsEnded: number): number {
    const carried = this.#tail.subarray(-(HEAD_END.length - 1));
    const bytes = carried.length === 0 ? packet : Buffer.concat([carried, packet]);
    let end = 0;
    for (let i = 0; i < headsEnded; i++) {
      const found = bytes.indexOf(HEAD_END, end);
      if (found < 0) break;
      end = found + HEAD_END.length;
    }
    return end - carried.length;
  }
}
