// HAProxy as a rival: without splicing, and with splicing forced, which is the yardstick for bulk.
import { join } from 'node:path';
import { exportHaproxy } from '../export/haproxy.ts';
import { configOf, exportSettings, type Relay } from './configuration.ts';
import {
  askProgram,
  type Contestant,
  type Found,
  findProgram,
  type Prepared,
} from './contestant.ts';

export const haproxy: Contestant = {
  id: 'haproxy',
  label: 'HAProxy',
  protocols: ['http', 'tcp'],
  splice: 'never',
  find,
  prepare,
};

export const haproxySplice: Contestant = {
  ...haproxy,
  id: 'haproxy-splice',
  label: 'HAProxy splicing',
  splice: 'always',
};

async function find(): Promise<Found> {
  const path = findProgram('haproxy');
  if (!path) return { missing: 'HAProxy is not installed (apt-get install haproxy)' };
  return { version: /version (\S+)/i.exec(await askProgram(path, '-v'))?.[1] ?? 'unknown' };
}

function prepare(relay: Relay): Prepared {
  const file = join(relay.folder, 'haproxy.cfg');
  const { text } = exportHaproxy(configOf(relay), exportSettings(relay));
  const program = findProgram('haproxy') ?? 'haproxy';
  return { configuration: text, file, command: [program, '-db', '-q', '-f', file] };
}
