// The js engine: a plan carried out on node:net, node:dgram and node:http, in one thread. It is the reference for
// meaning and the baseline for speed.
import { assertNever } from '../../contract/ids.ts';
import type { Capabilities, Engine, EngineOptions } from '../engine.ts';
import type { Listening } from '../shared/listening.ts';
import type { LiveListener } from '../shared/live-plan.ts';
import { OneThreadEngine } from '../shared/one-thread-engine.ts';
import { listenForward } from './forward-listener.ts';
import { listenHttp } from './http-listener.ts';
import { serveSocks } from './socks.ts';
import { listenTcp } from './tcp-listener.ts';
import { listenUdp } from './udp-listener.ts';

export const JS_CAPABILITIES: Capabilities = {
  protocols: ['http', 'tcp', 'udp', 'forward'],
  workers: false,
  splice: false,
  unixListeners: true,
  tls: true,
  proxyProtocol: true,
  transparent: false,
};

export function createJsEngine({ oracle }: EngineOptions): Engine {
  return new OneThreadEngine({ name: 'js', capabilities: JS_CAPABILITIES, bind, oracle });
}

function bind(listener: LiveListener): Promise<Listening> {
  const { protocol } = listener.plan;
  switch (protocol) {
    case 'tcp':
      return listenTcp(listener);
    case 'udp':
      return listenUdp(listener);
    case 'http':
      return listenHttp(listener);
    case 'forward':
      return listenForward(listener, serveSocks);
    default:
      return assertNever(protocol);
  }
}
