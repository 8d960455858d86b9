// nginx as a rival (http and stream) and as the HTTP origin of every contestant.
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
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
  UDP_PATIENCE_SECONDS,
} from './contestant.ts';

const INSTALL = 'apt-get install nginx-core libnginx-mod-stream';
const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

export const nginx: Contestant = {
  id: 'nginx',
  label: 'nginx',
  protocols: ['http', 'tcp', 'udp'],
  find: findNginx,
  prepare: (relay) => prepare(relay.folder, relayConfiguration(relay)),
};

export async function findNginx(): Promise<Found> {
  const path = findProgram('nginx');
  if (!path) return { missing: `nginx is not installed (${INSTALL})` };
  if (!existsSync(STREAM_MODULE)) {
    return { missing: `nginx has no stream module at ${STREAM_MODULE} (${INSTALL})` };
  }
  return { version: /nginx\/(\S+)/.exec(await askProgram(path, '-v'))?.[1] ?? 'unknown' };
}

export interface OriginFiles {
  readonly port: number;
  readonly folder: string;
  readonly smallBody: string;
  /** Path on disk of what `/large` answers with. */
  readonly largeFile: string;
}

/** Answers `/` with the small body and `/large` with the file. */
export function prepareOrigin(origin: OriginFiles): Prepared {
  const http = `
http {
  access_log off;
  sendfile on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout ${PATIENCE_SECONDS}s;
  default_type text/plain;
  open_file_cache max=16 inactive=1h;
  server {
    listen 127.0.0.1:${origin.port} backlog=4096;
    location = / { return 200 "${origin.smallBody}"; }
    location = /large { alias ${origin.largeFile}; }
  }
}`;
  return prepare(origin.folder, http);
}

function prepare(folder: string, body: string): Prepared {
  const file = join(folder, 'nginx.conf');
  const configuration = `${preamble(folder)}${body}\n`;
  const program = findProgram('nginx') ?? 'nginx';
  return { configuration, file, command: [program, '-e', 'stderr', '-p', folder, '-c', file] };
}

function preamble(folder: string): string {
  const user = process.getuid?.() === 0 ? `user ${userInfo().username};\n` : '';
  return `load_module ${STREAM_MODULE};
${user}daemon off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
error_log stderr error;
events { worker_connections ${CONNECTIONS}; }
`;
}

function relayConfiguration({ protocol, listenPort, targetPort, folder }: Relay): string {
  const target = `127.0.0.1:${targetPort}`;
  if (protocol !== 'http') {
    return `
stream {
  tcp_nodelay on;
  server {
    listen 127.0.0.1:${listenPort}${protocol === 'udp' ? ' udp rcvbuf=4m sndbuf=4m' : ' backlog=4096'};
    proxy_pass ${target};
    proxy_timeout ${protocol === 'udp' ? UDP_PATIENCE_SECONDS : PATIENCE_SECONDS}s;
    ${protocol === 'tcp' ? 'proxy_half_close on;' : ''}
  }
}`;
  }
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${join(folder, name)};`)
    .join('\n');
  // Bodies stay in memory: nginx would write to disk what its buffers do not hold. Their sizes are nginx's
  // own: larger ones cost it more, because they no longer stay in the core's cache.
  return `
http {
${folders}
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout ${PATIENCE_SECONDS}s;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_max_temp_file_size 0;
  upstream origin {
    server ${target};
    keepalive 512;
    keepalive_requests 1000000000;
    keepalive_timeout ${PATIENCE_SECONDS}s;
  }
  server {
    listen 127.0.0.1:${listenPort} backlog=4096;
    location / { proxy_pass http://origin; }
  }
}`;
}
