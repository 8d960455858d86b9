// The native engine: hands encoded plans to the addon and words what it answers. Runs on the main thread; the
// addon's workers run on their own.
import { setTimeout as sleep } from 'node:timers/promises';
import type { SocketAddress } from '../../contract/address.ts';
import { formatAddress } from '../../contract/address.ts';
import { SluiceError } from '../../contract/errors.ts';
import { encodePlan } from '../../plan/encode.ts';
import type { Plan } from '../../plan/plan.ts';
import type {
  Capabilities,
  Engine,
  EngineOptions,
  LoopInUse,
  Oracle,
  TargetState,
  UserState,
} from '../engine.ts';
import type { NativeAddon, NativeEngine, NativeFailure } from './addon.d.ts';
import { loadAddon } from './load.ts';
import { answerQuestions } from './questions.ts';

export const NATIVE_CAPABILITIES: Capabilities = {
  protocols: ['http', 'tcp', 'udp', 'forward'],
  workers: true,
  splice: true,
  unixListeners: true,
  tls: true,
  proxyProtocol: true,
  transparent: true,
};

/** Without a control plane names have no addresses and no password is right. */
const NOBODY: Oracle = {
  addressesOf: async () => ({ addresses: [], ttlMs: 0, error: 'name_not_found' }),
  isPassword: async () => false,
};

/** Doubles that the addon tells of a user. */
const USER_STRIDE = 6;

/** How often the main thread looks whether the workers have got somewhere. */
const POLL_MS = 5;

/** Throws SluiceError `engine_unavailable` where the addon cannot be loaded. */
export function createNativeEngine(options: EngineOptions, addon?: NativeAddon): Engine {
  return new AddonEngine(options, addon ?? requireAddon());
}

function requireAddon(): NativeAddon {
  const { addon, reason } = loadAddon();
  if (addon === undefined) {
    throw new SluiceError('engine_unavailable', `engine native: ${reason}`);
  }
  return addon;
}

class AddonEngine implements Engine {
  readonly name = 'native';
  readonly capabilities = NATIVE_CAPABILITIES;
  readonly workers: number;
  readonly #native: NativeEngine;
  readonly #wanted: EngineOptions['loop'];
  readonly #onWarning: (message: string) => void;
  #loop: LoopInUse | null = null;
  #plan: Plan | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: EngineOptions, addon: NativeAddon) {
    this.workers = options.workers;
    this.#wanted = options.loop;
    this.#onWarning = options.onWarning;
    this.#native = addon.createEngine(options.workers, options.loop ?? 'auto');
    answerQuestions(this.#native, options.oracle ?? NOBODY);
  }

  async apply(plan: Plan): Promise<readonly SocketAddress[]> {
    if (this.#closing !== null) {
      throw new SluiceError('state_invalid', 'the engine is closed');
    }
    const applied = this.#native.apply(encodePlan(plan));
    if ('kind' in applied) {
      throw wordFailure(applied, plan);
    }
    if (this.#plan === null) this.#noteLoop();
    this.#plan = plan;
    while (!this.#native.settled()) {
      await sleep(POLL_MS);
    }
    return plan.listeners.map(({ address }, i) => ({
      ...address,
      port: applied[i] ?? address.port,
    }));
  }

  get loop(): LoopInUse | null {
    return this.#loop;
  }

  get kernelTlsProblem(): string {
    return this.#native.kernelTlsProblem();
  }

  /** Workers begin with the first plan; only then is it known what the kernel grants them. */
  #noteLoop(): void {
    const { name, problem } = this.#native.loop();
    this.#loop = { name, reason: problem };
    // Whoever leaves the choice to us is served either way.
    if (problem === '' || this.#wanted !== 'io_uring') return;
    this.#onWarning(
      name === 'epoll'
        ? `loop: io_uring is not available here: ${problem}; epoll is used`
        : `loop: io_uring is used as configured, but ${problem}; auto would use epoll`,
    );
  }

  readStats(into: Float64Array): void {
    this.#native.snapshot(into);
  }

  targetStates(): readonly TargetState[] {
    const count = this.#plan?.targets.length ?? 0;
    const pairs = new Float64Array(count * 2);
    this.#native.targetStates(pairs);
    return Array.from({ length: count }, (_, i) => {
      const ejectedForMs = pairs[2 * i] ?? 0;
      return { isEjected: ejectedForMs > 0, ejectedForMs, inFlight: pairs[2 * i + 1] ?? 0 };
    });
  }

  userStates(): readonly UserState[] {
    const count = this.#plan?.users.reduce((sum, { users }) => sum + users.length, 0) ?? 0;
    const cells = new Float64Array(count * USER_STRIDE);
    this.#native.userStates(cells);
    return Array.from({ length: count }, (_, i) => {
      const [active = 0, requests = 0, bytesIn = 0, bytesOut = 0, bytesToday = 0] = cells.subarray(
        USER_STRIDE * i,
      );
      return { active, requests, bytesIn, bytesOut, bytesToday };
    });
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    if (graceMs === 0) this.#native.close();
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    if (graceMs > 0) {
      this.#native.drain();
      const deadline = performance.now() + graceMs;
      // A worker publishes its count at the end of a turn, so the first look comes after it has drained.
      do {
        await sleep(POLL_MS);
      } while (this.#native.open() > 0 && performance.now() < deadline);
    }
    this.#native.close();
  }
}

const LISTEN_REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'port in use; stop the program that listens there (ss -ltnup) or choose another port',
  EACCES:
    'permission denied; use a port of 1024 or above, grant CAP_NET_BIND_SERVICE, or check the folder of the socket',
  EPERM: 'permission denied; use a port of 1024 or above or grant CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL:
    'this machine has no such address; use 0.0.0.0, [::] or an address of this machine',
  EMFILE: 'too many open files; raise the limit (ulimit -n)',
  ENFILE: 'the machine has too many open files; raise fs.file-max',
  EAFNOSUPPORT: 'this machine has no such address family; use an IPv4 address',
  ENOENT: 'no such folder; create the folder of the socket',
  EINVAL: 'not an address that can be listened on; a socket path has at most 107 bytes',
};

function wordFailure(failure: NativeFailure, plan: Plan): SluiceError {
  const listener = plan.listeners[failure.listener];
  const name = listener?.name ?? '?';
  switch (failure.kind) {
    case 'listen': {
      const where = listener === undefined ? '?' : formatAddress(listener.address);
      const remedy = LISTEN_REMEDIES[failure.errno] ?? 'check the address';
      return new SluiceError(
        'listen_failed',
        `listener ${name}: cannot listen on ${where}: ${failure.errno}: ${remedy}`,
      );
    }
    case 'log':
      return new SluiceError(
        'log_unwritable',
        `listener ${name}: cannot write the access log ${failure.detail}: ${failure.errno}; check the folder and its permissions`,
      );
    case 'tls': {
      const where = listener === undefined ? 'TLS to targets' : `listener ${name}`;
      return new SluiceError('plan_rejected', `${where}: ${failure.detail}`);
    }
    case 'plan':
      return new SluiceError('plan_rejected', `the plan was refused: ${failure.detail}`);
    case 'resource':
      return new SluiceError(
        'plan_rejected',
        `the engine cannot take a plan: ${failure.detail} ${failure.errno}`.trim(),
      );
  }
}
