// HAProxy as a rival: as it comes, and with splicing forced, which is the yardstick for bulk.
import { join } from 'node:path';
import {
  askProgram,
  CONNECTIONS,
  type Contestant,
  type Found,
  findProgram,
  PATIENCE_SECONDS,
  type Prepared,
  type Relay,
} from './contestant.ts';

export const haproxy: Contestant = {
  id: 'haproxy',
  label: 'HAProxy',
  protocols: ['http', 'tcp'],
  find,
  prepare: (relay) => prepare(relay, false),
};

export const haproxySplice: Contestant = {
  id: 'haproxy-splice',
  label: 'HAProxy splicing',
  protocols: ['http', 'tcp'],
  find,
  prepare: (relay) => prepare(relay, true),
};

async function find(): Promise<Found> {
  const path = findProgram('haproxy');
  if (!path) return { missing: 'HAProxy is not installed (apt-get install haproxy)' };
  return { version: /version (\S+)/i.exec(await askProgram(path, '-v'))?.[1] ?? 'unknown' };
}

function prepare(relay: Relay, isSplicing: boolean): Prepared {
  const file = join(relay.folder, 'haproxy.cfg');
  const splicing = '  option splice-request\n  option splice-response\n';
  const configuration = `global
  nbthread 1
  maxconn ${CONNECTIONS}
  no strict-limits
defaults
  mode ${relay.protocol}
  maxconn ${CONNECTIONS}
  timeout connect 5s
  timeout client ${PATIENCE_SECONDS}s
  timeout server ${PATIENCE_SECONDS}s
${relay.protocol === 'http' ? `  timeout http-keep-alive ${PATIENCE_SECONDS}s\n  http-reuse always\n` : ''}${isSplicing ? splicing : ''}frontend bench
  bind 127.0.0.1:${relay.listenPort}
  default_backend origin
backend origin
  server origin 127.0.0.1:${relay.targetPort}
`;
  const program = findProgram('haproxy') ?? 'haproxy';
  return { configuration, file, command: [program, '-db', '-q', '-f', file] };
}
