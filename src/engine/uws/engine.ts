// The uws engine: http listeners on uWebSockets.js in Node's own thread, with everything behind the listener shared
// with the js engine. uWebSockets.js is optional; loadUws() says whether it is there.
import { SluiceError } from '../../contract/errors.ts';
import type { Capabilities, Engine, EngineOptions } from '../engine.ts';
import type { Listening } from '../shared/listening.ts';
import type { LiveListener } from '../shared/live-plan.ts';
import { OneThreadEngine } from '../shared/one-thread-engine.ts';
import { listenHttp } from './http-listener.ts';
import { loadUws } from './load.ts';

export const UWS_CAPABILITIES: Capabilities = {
  protocols: ['http'],
  workers: false,
  splice: false,
  unixListeners: true,
  tls: false,
  proxyProtocol: false,
  transparent: false,
};

/** Throws SluiceError `engine_unavailable` where uWebSockets.js is not installed. */
export function createUwsEngine(_options: EngineOptions): Engine {
  const { uws, reason } = loadUws();
  if (uws === undefined) {
    throw new SluiceError('engine_unavailable', `engine uws is not available: ${reason}`);
  }
  const bind = async (listener: LiveListener): Promise<Listening> => {
    const { name, protocol } = listener.plan;
    if (protocol === 'http') return listenHttp(uws, listener);
    throw new SluiceError(
      'plan_rejected',
      `listener ${name}: engine uws serves http only, not ${protocol}`,
    );
  };
  return new OneThreadEngine({ name: 'uws', capabilities: UWS_CAPABILITIES, bind });
}
