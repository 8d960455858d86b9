// The addresses of this machine that a forward proxy's connections go out from, in turn. Main thread; owned by a
// LivePlan.
import type { SocketAddress } from '../../contract/address.ts';

export class Sources {
  readonly #addresses: readonly SocketAddress[];
  #next = 0;

  constructor(addresses: readonly SocketAddress[]) {
    this.#addresses = addresses;
  }

  /** The next one of that family; null: the kernel is to choose. */
  readonly take = (family: SocketAddress['family']): string | null => {
    const eligible = this.#addresses.filter((address) => address.family === family);
    return eligible[this.#next++ % Math.max(1, eligible.length)]?.host ?? null;
  };
}
