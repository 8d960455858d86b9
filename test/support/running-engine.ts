// An engine under test: a configuration as a person writes it goes through parseConfig, loadCredentials and compile, as
// in production, and is applied to an engine that `create` makes.
import { parseConfig } from '../../src/config/parse.ts';
import type { SocketAddress } from '../../src/contract/address.ts';
import { loadCredentials } from '../../src/control/credentials.ts';
import type { Engine, EngineOptions, Oracle, TargetState } from '../../src/engine/engine.ts';
import { compile } from '../../src/plan/compile.ts';
import type { Credentials } from '../../src/plan/credentials.ts';
import { type ForwardFiles, NO_FORWARD_FILES } from '../../src/plan/forward-files.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { readStatsView, type StatsView } from './stats-view.ts';

export type CreateEngine = (options: EngineOptions) => Engine;

export interface StartOptions {
  readonly workers?: number;
  /** Whom forward proxies ask; without it they know no name and no password. */
  readonly oracle?: Oracle;
  /** What would have been read from the files that forward proxies name. */
  readonly files?: Partial<ForwardFiles>;
}

export class RunningEngine {
  readonly engine: Engine;
  readonly warnings: string[];
  #plan!: Plan;
  #bound: readonly SocketAddress[] = [];
  #version = 0;
  #files: ForwardFiles;

  constructor(create: CreateEngine, options: StartOptions = {}) {
    this.warnings = [];
    this.#files = { ...NO_FORWARD_FILES, ...options.files };
    this.engine = create({
      workers: options.workers ?? 1,
      onWarning: (message) => this.warnings.push(message),
      ...(options.oracle === undefined ? {} : { oracle: options.oracle }),
    });
  }

  /** What the next apply() finds in the files that forward proxies name. */
  replaceFiles(files: Partial<ForwardFiles>): void {
    this.#files = { ...this.#files, ...files };
  }

  /** Starts, or reloads. `supplied` is what comes from no file. */
  async apply(input: unknown, supplied: Partial<Credentials> = {}): Promise<void> {
    const config = parseConfig(input);
    const { credentials } = await loadCredentials(config);
    const all = { ...credentials, ...supplied };
    const plan = compile(config, new Map(), this.#version + 1, all, this.#files);
    this.#bound = await this.engine.apply(plan);
    this.#plan = plan;
    this.#version = plan.version;
  }

  get plan(): Plan {
    return this.#plan;
  }

  /** The port that a listener is bound to. */
  port(listener: string): number {
    return this.#address(listener).port;
  }

  stats(): StatsView {
    return readStatsView(this.engine, this.#plan);
  }

  targetState(pool: string, target: string): TargetState {
    const poolIndex = this.#plan.pools.findIndex((p) => p.name === pool);
    const index = this.#plan.targets.findIndex((t) => t.name === target && t.pool === poolIndex);
    const state = this.engine.targetStates()[index];
    if (!state) throw new Error(`no target ${target} in pool ${pool}`);
    return state;
  }

  /** In flight over all targets. */
  get inFlight(): number {
    return this.engine.targetStates().reduce((sum, state) => sum + state.inFlight, 0);
  }

  close(graceMs = 0): Promise<void> {
    return this.engine.close(graceMs);
  }

  #address(listener: string): SocketAddress {
    const index = this.#plan.listeners.findIndex((l) => l.name === listener);
    const address = this.#bound[index];
    if (!address) throw new Error(`no listener ${listener}`);
    return address;
  }
}

export async function startEngine(
  create: CreateEngine,
  input: unknown,
  options: StartOptions = {},
): Promise<RunningEngine> {
  const running = new RunningEngine(create, options);
  await running.apply(input);
  return running;
}
