// An engine in one thread, Node's own: everything about carrying a plan out but how a listener is bound, which is
// what the js and the uws engine differ in. It owns the listeners, the entities that outlive plans and the access
// logs; closing it leaves nothing open.
import { formatAddress, type SocketAddress } from '../../contract/address.ts';
import { SluiceError } from '../../contract/errors.ts';
import type { Plan, PlanListener } from '../../plan/plan.ts';
import type {
  Capabilities,
  Engine,
  EngineName,
  Oracle,
  TargetState,
  UserState,
} from '../engine.ts';
import { AccessLogs } from './access-log.ts';
import type { Listening } from './listening.ts';
import { EntityTable, type LiveListener, LivePlan } from './live-plan.ts';

export interface OneThreadParts {
  readonly name: EngineName;
  readonly capabilities: Capabilities;
  /** Opens a listener under the plan that it comes with; throws SluiceError `listen_failed`. */
  readonly bind: (listener: LiveListener) => Promise<Listening>;
  /** Whom forward proxies ask. */
  readonly oracle?: Oracle | undefined;
}

export class OneThreadEngine implements Engine {
  readonly name: EngineName;
  readonly capabilities: Capabilities;
  readonly workers = 1;

  readonly #bind: OneThreadParts['bind'];
  readonly #entities: EntityTable;
  readonly #logs = new AccessLogs();
  /** Everything that has not closed yet, those that reloads left out included, with their keys. */
  readonly #open = new Map<Listening, string>();
  /** The listeners of the plan in force, by key: what makes two listeners the same. */
  #listening: ReadonlyMap<string, Listening> = new Map();
  #live: LivePlan | null = null;
  #isClosing = false;
  #applying: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | null = null;

  constructor({ name, capabilities, bind, oracle }: OneThreadParts) {
    this.name = name;
    this.capabilities = capabilities;
    this.#bind = bind;
    this.#entities = new EntityTable(oracle);
  }

  apply(plan: Plan): Promise<readonly SocketAddress[]> {
    const applied = this.#applying.then(() => this.#apply(plan));
    this.#applying = applied.catch(() => {});
    return applied;
  }

  readStats(into: Float64Array): void {
    this.#live?.readStats(into);
  }

  targetStates(): readonly TargetState[] {
    const nowMs = performance.now();
    return this.#live?.targets.map((target) => target.state(nowMs)) ?? [];
  }

  userStates(): readonly UserState[] {
    const users = this.#live?.users.flatMap((table) => [...table.values()]) ?? [];
    return users.map(({ account }) => account.state);
  }

  close(graceMs: number): Promise<void> {
    this.#isClosing = true;
    if (graceMs <= 0) this.#destroyAll();
    this.#closed ??= this.#applying.then(() => this.#close(graceMs));
    return this.#closed;
  }

  async #apply(plan: Plan): Promise<readonly SocketAddress[]> {
    if (this.#isClosing) throw new SluiceError('state_invalid', 'the engine is closed');
    const logs = this.#logs.prepare(plan);
    const fresh: Listening[] = [];
    try {
      const live = createLivePlan(plan, this.#entities, logs.of);
      const listening = await this.#listenAll(live, fresh);
      this.#take(live, listening);
      logs.commit();
      return live.listeners.map((listener) => addressOf(listening, listener));
    } catch (error) {
      logs.abort();
      for (const listening of fresh) listening.destroy();
      this.#entities.settle(this.#live);
      throw error;
    }
  }

  /** A listening for each listener, held already or bound now; `fresh` gets those bound now. */
  async #listenAll(live: LivePlan, fresh: Listening[]): Promise<ReadonlyMap<string, Listening>> {
    const all = new Map<string, Listening>();
    // One that a reload left out may close while others are being bound: look again until all are open.
    for (;;) {
      const missing = live.listeners.find(({ plan }) => !all.get(keyOf(plan))?.isOpen);
      if (missing === undefined) return all;
      const key = keyOf(missing.plan);
      let listening = this.#held(key);
      if (listening === undefined) {
        listening = await this.#bind(missing);
        fresh.push(listening);
        this.#keep(listening, key);
      }
      all.set(key, listening);
    }
  }

  #held(key: string): Listening | undefined {
    for (const [listening, its] of this.#open) {
      if (its === key && listening.isOpen) return listening;
    }
    return undefined;
  }

  #keep(listening: Listening, key: string): void {
    this.#open.set(listening, key);
    void listening.closed.then(() => this.#open.delete(listening));
  }

  /** Puts `live` into force. Nothing here can fail. */
  #take(live: LivePlan, all: ReadonlyMap<string, Listening>): void {
    for (const [key, listening] of this.#listening) if (!all.has(key)) listening.retire();
    for (const listener of live.listeners) all.get(keyOf(listener.plan))?.use(listener);
    this.#listening = all;
    this.#live = live;
    this.#entities.settle(live);
  }

  async #close(graceMs: number): Promise<void> {
    for (const listening of this.#open.keys()) listening.drain();
    const grace = setTimeout(() => this.#destroyAll(), Math.max(0, graceMs));
    await Promise.all([...this.#open.keys()].map((listening) => listening.closed));
    clearTimeout(grace);
    this.#entities.settle(null);
    await this.#logs.close();
  }

  #destroyAll(): void {
    for (const listening of [...this.#open.keys()]) listening.destroy();
  }
}

/**
 * Listeners with one key are one listener to a reload, which keeps its socket. Where the address says it all, a
 * listener may even change its name.
 */
function keyOf({ name, address, protocol }: PlanListener): string {
  const isDistinct = address.family === 'unix' || address.port !== 0;
  return `${protocol} ${formatAddress(address)}${isDistinct ? '' : ` ${name}`}`;
}

function createLivePlan(...parts: ConstructorParameters<typeof LivePlan>): LivePlan {
  try {
    return new LivePlan(...parts);
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw new SluiceError('plan_rejected', `the plan does not hold together: ${String(error)}`, {
      cause: error,
    });
  }
}

function addressOf(all: ReadonlyMap<string, Listening>, { plan }: LiveListener): SocketAddress {
  return all.get(keyOf(plan))?.address ?? plan.address;
}
