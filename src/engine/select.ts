// Which engine carries a plan out. No silent fallback: what was asked for runs or is an error that names the option
// and the engines that can; `auto` is native, else js, and says which and why.
import { availableParallelism } from 'node:os';
import { SluiceError } from '../contract/errors.ts';
import type { Plan } from '../plan/plan.ts';
import type { Capabilities, Engine, EngineName, LoopName, Oracle } from './engine.ts';
import { createJsEngine, JS_CAPABILITIES } from './js/engine.ts';
import { loadAddon } from './native/load.ts';
import { createNativeEngine, NATIVE_CAPABILITIES } from './native/native-engine.ts';
import { createUwsEngine, UWS_CAPABILITIES } from './uws/engine.ts';

export interface EngineWish {
  readonly engine: 'auto' | EngineName;
  readonly workers: 'auto' | number;
  /** `auto`: io_uring where the kernel grants a sound one, else epoll. */
  readonly loop: 'auto' | LoopName;
  readonly onWarning: (message: string) => void;
  /** Whom the workers of forward proxies ask. */
  readonly oracle?: Oracle;
}

export interface Selection {
  readonly engine: Engine;
  /** Why this one, as a clause. */
  readonly reason: string;
}

/** What each engine says of itself once it is made, known before, so that errors can name the engines that can. */
export const CAPABILITIES: Readonly<Record<EngineName, Capabilities>> = {
  native: NATIVE_CAPABILITIES,
  uws: UWS_CAPABILITIES,
  js: JS_CAPABILITIES,
};

/** Throws SluiceError `engine_unavailable` or `engine_unsupported`. The engine has nothing open yet. */
export function selectEngine(wish: EngineWish, plan: Plan): Selection {
  const { name, reason } = chooseEngine(wish.engine);
  checkCapabilities({ name, capabilities: CAPABILITIES[name] }, plan);
  const { onWarning } = wish;
  const oracle = wish.oracle === undefined ? {} : { oracle: wish.oracle };
  if (CAPABILITIES[name].workers) {
    const workers = wish.workers === 'auto' ? availableParallelism() : wish.workers;
    const { loop } = wish;
    return { engine: createNativeEngine({ workers, loop, onWarning, ...oracle }), reason };
  }
  if (wish.workers !== 'auto' && wish.workers > 1) {
    if (wish.engine !== 'auto') refuse(name, `workers: ${wish.workers}`, (able) => able.workers);
    onWarning(`workers: ${wish.workers} does not apply: the ${name} engine has one`);
  }
  if (wish.loop !== 'auto') {
    if (wish.engine !== 'auto') refuse(name, `loop: ${wish.loop}`, (able) => able.workers);
    onWarning(`loop: ${wish.loop} does not apply: the ${name} engine has Node's own`);
  }
  const create = name === 'uws' ? createUwsEngine : createJsEngine;
  return { engine: create({ workers: 1, onWarning, ...oracle }), reason };
}

/** Throws SluiceError `engine_unsupported` when `plan` needs what the engine cannot do. */
export function checkCapabilities(
  { name, capabilities }: Pick<Engine, 'name' | 'capabilities'>,
  plan: Plan,
): void {
  for (const listener of plan.listeners) {
    const at = `listeners.${listener.name}`;
    const { protocol, splice, address } = listener;
    if (!capabilities.protocols.includes(protocol)) {
      refuse(name, `${at}.protocol: ${protocol}`, (able) => able.protocols.includes(protocol));
    }
    if (splice === 'always' && !capabilities.splice) {
      refuse(name, `${at}.splice: always`, (able) => able.splice);
    }
    if (listener.serverTls !== null && !capabilities.tls) {
      refuse(name, `${at}.tls`, (able) => able.tls);
    }
    const { proxyProtocol } = listener;
    if (proxyProtocol !== 'off' && !capabilities.proxyProtocol) {
      refuse(name, `${at}.proxyProtocol: ${proxyProtocol}`, (able) => able.proxyProtocol);
    }
    const isTransparent =
      listener.forward !== null && plan.forwards[listener.forward]?.isTransparent === true;
    if (isTransparent && !capabilities.transparent) {
      refuse(name, `${at}.transparent: true`, (able) => able.transparent);
    }
    if (address.family === 'unix' && !capabilities.unixListeners) {
      refuse(name, `${at}.address: unix:${address.host}`, (able) => able.unixListeners);
    }
  }
  for (const { proxyProtocol, name: pool } of plan.pools) {
    if (proxyProtocol === 'off' || capabilities.proxyProtocol) continue;
    refuse(name, `pools.${pool}.proxyProtocol: ${proxyProtocol}`, (able) => able.proxyProtocol);
  }
  if (capabilities.tls) return;
  for (const { clientTls, pool, name: target } of plan.targets) {
    if (clientTls === null) continue;
    const at = `pools.${plan.pools[pool]?.name ?? pool}`;
    refuse(name, `${at}: TLS to target ${target}`, (able) => able.tls);
  }
}

interface Choice {
  readonly name: EngineName;
  readonly reason: string;
}

function chooseEngine(wanted: 'auto' | EngineName): Choice {
  if (wanted === 'js' || wanted === 'uws') return { name: wanted, reason: 'as configured' };
  const loaded = loadAddon();
  if (loaded.addon !== undefined) {
    return {
      name: 'native',
      reason: wanted === 'auto' ? 'auto: it is the fastest here' : 'as configured',
    };
  }
  if (wanted === 'auto') {
    return { name: 'js', reason: `auto: native is not available: ${loaded.reason}` };
  }
  throw new SluiceError(
    'engine_unavailable',
    `engine native is not available: ${loaded.reason}; or use engine js or auto`,
  );
}

function refuse(name: EngineName, option: string, isAble: (able: Capabilities) => boolean): never {
  const able = Object.entries(CAPABILITIES)
    .filter(([, capabilities]) => isAble(capabilities))
    .map(([engine]) => engine);
  const remedy = able.length > 0 ? `use engine ${able.join(' or ')}` : 'no engine offers it';
  throw new SluiceError(
    'engine_unsupported',
    `${option}: engine ${name} does not offer it: ${remedy}`,
  );
}
