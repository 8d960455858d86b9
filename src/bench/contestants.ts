// Everyone who may take part, in the order of presentation.
import { type Contestant, direct } from './contestant.ts';
import { haproxy, haproxySplice } from './haproxy.ts';
import { nginx } from './nginx.ts';
import { fastifyHttpProxy, httpProxy } from './package-proxies.ts';
import { js, LAYERS, native, nativeEpoll, uws } from './sluice.ts';
import { squid } from './squid.ts';

export const CONTESTANTS: readonly Contestant[] = [
  native,
  nativeEpoll,
  ...LAYERS,
  uws,
  js,
  nginx,
  haproxy,
  haproxySplice,
  squid,
  httpProxy,
  fastifyHttpProxy,
  direct,
];

export function contestantOf(id: string): Contestant {
  const contestant = CONTESTANTS.find((candidate) => candidate.id === id);
  if (!contestant) throw new Error(`there is no contestant ${id}`);
  return contestant;
}
