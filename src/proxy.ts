// A proxy: configuration -> plan -> engine, and the control plane that keeps the plan true. Owns the lifetime of all
// of them. Runs on the main thread; requests never come through here.
import { EventEmitter } from 'node:events';
import type { Config, ConfigInput } from './config/config.ts';
import { loadConfigFile } from './config/load.ts';
import { parseConfig } from './config/parse.ts';
import { configWarnings } from './config/warnings.ts';
import { formatAddress, type SocketAddress } from './contract/address.ts';
import { SluiceError } from './contract/errors.ts';
import { type ExpiryWatch, watchExpiry } from './control/expiry.ts';
import { LiveOracle } from './control/oracle.ts';
import { PlanSource } from './control/plan-source.ts';
import { type TargetNews, type TargetWatch, watchTargets } from './control/target-watch.ts';
import type { Engine, EngineName } from './engine/engine.ts';
import { checkCapabilities, selectEngine } from './engine/select.ts';
import { type Logger, SILENT } from './observe/logger.ts';
import { type ProxyStats, readStats } from './observe/stats.ts';
import type { Plan } from './plan/plan.ts';

export interface ProxyOptions {
  /** Wins over the configuration's. */
  readonly engine?: 'auto' | EngineName;
  /** Wins over the configuration's. */
  readonly workers?: 'auto' | number;
  /** Takes what happens; any pino logger fits. Silent by default. */
  readonly logger?: Logger;
}

export interface ProxyEvents {
  listening: [{ readonly addresses: Readonly<Record<string, string>> }];
  /** A new plan is in force: after reload(), because a target's name resolves anew, or a file was read again. */
  reload: [{ readonly planVersion: number; readonly reason: string }];
  targetEjected: [TargetNews & { readonly forMs: number }];
  targetRestored: [TargetNews];
  warning: [message: string];
  close: [];
}

export interface CloseOptions {
  /** How long work in flight may take to finish; the configuration's shutdownGrace by default. */
  readonly graceMs?: number;
}

/**
 * Checks a configuration, or loads and checks a file. Nothing is opened before start(). Throws SluiceError
 * `config_unreadable`, or `config_invalid` with all problems.
 */
export async function createProxy(
  config: ConfigInput | string,
  options: ProxyOptions = {},
): Promise<SluiceProxy> {
  return new SluiceProxy(await readConfig(config), options);
}

/** What exists while the proxy is started. */
interface Running {
  readonly engine: Engine;
  readonly oracle: LiveOracle;
  readonly watch: TargetWatch;
  readonly startedAtMs: number;
  source: PlanSource;
  plan: Plan;
  /** While the engine takes a new plan over its snapshots fit neither plan, so the last good one is served. */
  frozenStats: ProxyStats | null;
}

export class SluiceProxy extends EventEmitter<ProxyEvents> {
  #config: Config;
  readonly #options: ProxyOptions;
  readonly #logger: Logger;
  #running: Running | null = null;
  /** Set by close(); from when its turn comes nothing else begins. */
  #closing: Promise<void> | null = null;
  #isClosed = false;
  #graceMs: number | null = null;
  #addresses: Readonly<Record<string, string>> = {};
  /** From start to close, across reloads. */
  #expiry: ExpiryWatch | null = null;
  #version = 0;
  /** Of the source that was closed last; nothing that happens serially may wait for it. */
  #sourceClosed: Promise<void> = Promise.resolve();
  /** start, reload, refresh and close happen one after the other. */
  #tail: Promise<unknown> = Promise.resolve();

  /** Use createProxy(). */
  constructor(config: Config, options: ProxyOptions) {
    super();
    this.#config = config;
    this.#options = options;
    this.#logger = options.logger ?? SILENT;
  }

  /** Where each listener is bound, as `host:port`, port 0 replaced by the real one. Empty before start(). */
  get addresses(): Readonly<Record<string, string>> {
    return this.#addresses;
  }

  /** The configuration in force. */
  get config(): Config {
    return this.#config;
  }

  /** The plan in force; null before start() and after close(). */
  get plan(): Plan | null {
    return this.#running?.plan ?? null;
  }

  /** Binds every listener, or none. Throws SluiceError whose message is one line that says what to do. */
  start(): Promise<void> {
    return this.#serially(() => this.#start());
  }

  /**
   * Puts another configuration in force, and reads all files that it names again. Listeners that stay keep their sockets,
   * work in flight ends under the plan it began with. When it throws, the old configuration is still in force.
   */
  reload(next: ConfigInput | string): Promise<void> {
    return this.#serially(async () => {
      const running = this.#mustRun('reload');
      const { source: old } = running;
      const source = await PlanSource.open(await readConfig(next), old);
      try {
        await this.#apply(running, source, 'reload');
      } catch (error) {
        this.#closeSource(source, null);
        throw error;
      }
      this.#startSource(source, this.#closeSource(old, source));
    });
  }

  /** Throws SluiceError `state_invalid` unless started. */
  stats(): ProxyStats {
    const running = this.#mustRun('stats');
    const uptimeMs = performance.now() - running.startedAtMs;
    if (running.frozenStats) return { ...running.frozenStats, uptimeMs };
    return readStats(running.engine, running.plan, uptimeMs, running.source.certificates);
  }

  /**
   * Stops accepting, lets work in flight finish, closes the rest. Harmless when called again; with graceMs 0 that
   * ends the patience of the first call.
   */
  close({ graceMs }: CloseOptions = {}): Promise<void> {
    const isFirst = this.#closing === null;
    if (isFirst || graceMs === 0) this.#graceMs = graceMs ?? null;
    if (!isFirst && graceMs === 0 && this.#isClosed) void this.#running?.engine.close(0);
    this.#closing ??= this.#serially(() => this.#close()).then(async () => {
      await this.#sourceClosed;
      this.emit('close');
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #start(): Promise<void> {
    if (this.#isClosed) throw new SluiceError('state_invalid', 'start: the proxy is closed');
    if (this.#running)
      throw new SluiceError('state_invalid', 'start: the proxy is started already');
    const config = this.#config;
    for (const { path, message } of configWarnings(config)) this.#warn(`${path}: ${message}`);
    const source = await PlanSource.open(config);
    const oracle = new LiveOracle((message) => this.#warn(message));
    try {
      this.#running = await this.#startEngine(source, oracle);
    } catch (error) {
      this.#closeSource(source, null);
      await oracle.close();
      throw error;
    }
    this.#startSource(source);
    this.emit('listening', { addresses: this.#addresses });
  }

  async #startEngine(source: PlanSource, oracle: LiveOracle): Promise<Running> {
    const { config } = source;
    const plan = source.plan(this.#version + 1);
    await oracle.use(config, source.users);
    const { engine, reason } = selectEngine(
      {
        engine: this.#options.engine ?? config.engine,
        workers: this.#options.workers ?? config.workers,
        loop: config.loop,
        onWarning: (message) => this.#warn(message),
        oracle,
      },
      plan,
    );
    try {
      this.#note(plan, await engine.apply(plan));
    } catch (error) {
      await engine.close(0);
      throw error;
    }
    const { name, workers, loop } = engine;
    const { openssl } = process.versions;
    const waitsOn = loop
      ? { loop: loop.name, ...(loop.reason && { loopReason: loop.reason }) }
      : {};
    const problem = engine.kernelTlsProblem ?? null;
    const seals =
      problem === null ? {} : { kernelTls: problem === '' ? 'offered' : `not offered: ${problem}` };
    this.#logger.info(
      { engine: name, workers, ...waitsOn, reason, openssl, ...seals },
      'engine started',
    );
    for (const [listener, address] of Object.entries(this.#addresses)) {
      this.#logger.info({ listener, address }, 'listening');
    }
    return {
      engine,
      oracle,
      plan,
      source,
      startedAtMs: performance.now(),
      frozenStats: null,
      watch: this.#watch(engine),
    };
  }

  async #apply(running: Running, source: PlanSource, reason: string): Promise<void> {
    const { engine, oracle } = running;
    const plan = source.plan(this.#version + 1);
    checkCapabilities(engine, plan);
    running.frozenStats = this.stats();
    // Workers that have taken the new plan over ask by it already.
    const undo = await oracle.use(source.config, source.users);
    try {
      this.#note(plan, await engine.apply(plan));
      running.plan = plan;
      running.source = source;
    } catch (error) {
      await undo();
      throw error;
    } finally {
      running.frozenStats = null;
    }
    if (source.config !== this.#config) this.#tellOfConfig(source.config);
    this.#config = source.config;
    this.#logger.info({ planVersion: plan.version, reason }, 'plan in force');
    this.emit('reload', { planVersion: plan.version, reason });
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    const running = this.#running;
    if (running) {
      this.#expiry?.close();
      this.#closeSource(running.source, null);
      await running.engine.close(this.#graceMs ?? this.#config.shutdownGrace);
      await running.oracle.close();
      running.watch.close();
      this.#running = null;
      this.#logger.info({}, 'closed');
    }
  }

  #tellOfConfig(config: Config): void {
    for (const { path, message } of configWarnings(config)) this.#warn(`${path}: ${message}`);
    const { engine, workers, loop } = this.#config;
    if (config.engine !== engine || config.workers !== workers || config.loop !== loop) {
      this.#warn('engine, workers and loop stay as they are until the next start');
    }
  }

  #startSource(source: PlanSource, after?: Promise<void>): void {
    for (const { path, message } of source.warnings) this.#warn(`${path}: ${message}`);
    const onWarning = (message: string) => this.#warn(message);
    const hooks = {
      onChange: (reason: string) => this.#serially(() => this.#renew(reason)),
      onWarning,
      onNote: (text: string) => this.#logger.info({}, text),
    };
    source.start(hooks, after);
    this.#expiry ??= watchExpiry({
      certificates: () => this.#running?.source.certificates ?? [],
      onWarning,
    });
    this.#expiry.look();
  }

  /** The source has news. A reload may have come first: then its successor has them too, or does not need them. */
  async #renew(reason: string): Promise<void> {
    if (!this.#running || this.#isClosed) return;
    await this.#apply(this.#running, this.#running.source, reason);
    this.#expiry?.look();
  }

  /** The successor, where there is one, takes over what it has in common with it. */
  #closeSource(source: PlanSource, successor: PlanSource | null): Promise<void> {
    this.#sourceClosed = source.close(successor).catch((error: unknown) => {
      this.#warn(error instanceof Error ? error.message : String(error));
    });
    return this.#sourceClosed;
  }

  #watch(engine: Engine): TargetWatch {
    return watchTargets({
      engine,
      currentPlan: () => (this.#running && !this.#running.frozenStats ? this.#running.plan : null),
      onEjected: (news) => {
        this.#logger.warn(news, 'target set aside after failing');
        this.emit('targetEjected', news);
      },
      onRestored: (news) => {
        this.#logger.info(news, 'target in use again');
        this.emit('targetRestored', news);
      },
    });
  }

  #note(plan: Plan, bound: readonly SocketAddress[]): void {
    this.#version = plan.version;
    this.#addresses = Object.fromEntries(
      plan.listeners.map(({ name, address }, i) => [name, formatAddress(bound[i] ?? address)]),
    );
  }

  #warn(message: string): void {
    this.#logger.warn({}, message);
    this.emit('warning', message);
  }

  #mustRun(what: string): Running {
    if (this.#running && !this.#isClosed) return this.#running;
    const state = this.#isClosed ? 'closed' : 'not started';
    throw new SluiceError('state_invalid', `${what}: the proxy is ${state}`);
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}

function readConfig(config: ConfigInput | string): Promise<Config> | Config {
  return typeof config === 'string' ? loadConfigFile(config) : parseConfig(config);
}
