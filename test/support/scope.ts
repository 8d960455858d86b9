// What a test opened, closed in reverse order when it ends, whatever way it ends.

export interface Closable {
  close(): Promise<void> | void;
}

export class Scope {
  readonly #owned: Closable[] = [];

  own<T extends Closable>(thing: T): T {
    this.#owned.push(thing);
    return thing;
  }

  defer(close: () => Promise<void> | void): void {
    this.#owned.push({ close });
  }

  /** Closes everything even when closing one fails; the first failure is thrown at the end. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (let thing = this.#owned.pop(); thing !== undefined; thing = this.#owned.pop()) {
      try {
        await thing.close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** What `work` owns is closed when it has ended, however that was. */
export async function withScope(work: (scope: Scope) => Promise<void>): Promise<void> {
  const scope = new Scope();
  try {
    await work(scope);
  } finally {
    await scope.close();
  }
}
