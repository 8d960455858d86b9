// nginx as a rival, http and stream.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { exportNginx } from '../export/nginx.ts';
import { configOf, exportSettings, type Relay } from './configuration.ts';
import {
  askProgram,
  type Contestant,
  type Found,
  findProgram,
  type Prepared,
} from './contestant.ts';

const INSTALL = 'apt-get install nginx-core libnginx-mod-stream';
const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

export const nginx: Contestant = {
  id: 'nginx',
  label: 'nginx',
  protocols: ['http', 'tcp', 'udp'],
  find,
  prepare,
};

async function find(): Promise<Found> {
  const path = findProgram('nginx');
  if (!path) return { missing: `nginx is not installed (${INSTALL})` };
  const words = await askProgram(path, '-V');
  if (!existsSync(STREAM_MODULE) && !hasStream(words)) {
    return { missing: `nginx has no stream module at ${STREAM_MODULE} (${INSTALL})` };
  }
  return { version: /nginx\/(\S+)/.exec(words)?.[1] ?? 'unknown' };
}

/** Whether the module is built in. */
function hasStream(words: string): boolean {
  return /--with-stream(?!\S)/.test(words);
}

function prepare(relay: Relay): Prepared {
  const file = join(relay.folder, 'nginx.conf');
  const streamModule = existsSync(STREAM_MODULE) ? STREAM_MODULE : null;
  const { text } = exportNginx(configOf(relay), { ...exportSettings(relay), streamModule });
  const program = findProgram('nginx') ?? 'nginx';
  return {
    configuration: text,
    file,
    command: [program, '-e', 'stderr', '-p', relay.folder, '-c', file],
  };
}
