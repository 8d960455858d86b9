// `node bin/sluice.js run FILE` as a process of its own, and an application for it to stand in front of.
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { acceptWebSocket } from '../../src/cli/demo-websocket.ts';
import { loadAddon } from '../../src/engine/native/load.ts';
import { within } from '../support/deadline.ts';
import { writeText } from '../support/pki.ts';
import type { Scope } from '../support/scope.ts';
import { PagesAtWork } from './pages.ts';
import { stopped } from './programs.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const command = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));

export type Engine = 'native' | 'js';

/** Both, or js alone and a complaint where the addon is not built. */
export function enginesHere(): readonly Engine[] {
  const { addon } = loadAddon();
  if (addon !== undefined) return ['native', 'js'];
  console.error('!! NOT CHECKED: the native engine is not built');
  return ['js'];
}

interface LogLine {
  readonly msg: string;
  readonly level: string;
  readonly listener?: string;
  readonly address?: string;
  readonly [key: string]: unknown;
}

export class RunningSluice {
  readonly child: ChildProcess;
  /** What it has logged. */
  readonly lines: LogLine[] = [];
  #rest = '';

  constructor(args: readonly string[]) {
    if (!existsSync(`${root}/dist/cli/main.js`)) throw new Error('run npm run build:ts first');
    this.child = spawn(process.execPath, [command, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const parts = (this.#rest + text).split('\n');
      this.#rest = parts.pop() ?? '';
      for (const part of parts) this.lines.push(parseLine(part));
      this.child.emit('output');
    });
  }

  /** The first line that is or will be logged for which it holds; rejects when the command ends before. */
  async line(what: string, holds: (line: LogLine) => boolean): Promise<LogLine> {
    for (;;) {
      const found = this.lines.find(holds);
      if (found !== undefined) return found;
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`ended without ${what}: ${JSON.stringify(this.lines)}`);
      await within(
        Promise.race([once(this.child, 'output'), once(this.child, 'close')]),
        `${what} in ${JSON.stringify(this.lines)}`,
      );
    }
  }

  async portOf(listener: string): Promise<number> {
    const { address = '' } = await this.line(
      `${listener} to listen`,
      (line) => line.msg === 'listening' && line.listener === listener,
    );
    return Number(address.slice(address.lastIndexOf(':') + 1));
  }
}

/** What is not JSON, such as what is said before there is a log, is kept as its message. */
function parseLine(text: string): LogLine {
  return text.startsWith('{') ? JSON.parse(text) : { msg: text, level: 'none' };
}

/** Runs the command with a configuration; ready when it listens everywhere. */
export async function runSluice(
  scope: Scope,
  folder: string,
  engine: Engine,
  config: {
    readonly listeners: object;
    readonly pools?: object;
    readonly lists?: object;
    readonly resolver?: object;
  },
): Promise<RunningSluice> {
  const file = await writeText(folder, `sluice-${engine}.json`, JSON.stringify(config, null, 2));
  const workers = engine === 'native' ? ['--workers', '2'] : [];
  const sluice = new RunningSluice(['run', file, '--engine', engine, ...workers]);
  scope.defer(() => stopped(sluice.child));
  for (const listener of Object.keys(config.listeners)) await sluice.portOf(listener);
  return sluice;
}

export const DOWNLOAD = Buffer.alloc(5 << 20, 'five mebibytes of something that is no zero; ');
export const sha256 = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

const BODY = `<body style="background:#063"><h1>Through the proxy</h1><p id=fetched>…</p><p id=socket>…</p>`;
const WORK = `Promise.allSettled([
  fetch('/headers').then((r) => r.json()).then((h) => show('fetched', 'fetched over ' + h['x-forwarded-proto'])),
  new Promise((resolve) => {
    const socket = new WebSocket('wss://' + location.host + '/');
    socket.onopen = () => socket.send('a message');
    socket.onmessage = (event) => { show('socket', 'socket says ' + event.data); socket.close(); };
    socket.onerror = () => show('socket', 'socket failed');
    socket.onclose = resolve;
  }),
])`;

export interface Application {
  readonly address: string;
}

/** GET /headers, /download, /page; PUT anything: the digest of what came; WebSocket: an echo. */
export async function startApplication(
  scope: Scope,
  download: Buffer = DOWNLOAD,
): Promise<Application> {
  const pages = new PagesAtWork();
  const application = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const say = (type: string, body: string | Buffer) =>
        response.writeHead(200, { 'Content-Type': type }).end(body);
      if (request.method === 'PUT') say('text/plain', sha256(Buffer.concat(chunks)));
      else if (request.url === '/download') say('application/octet-stream', download);
      else if (request.url === '/page')
        say('text/html', pages.give('Through the proxy', BODY, WORK));
      else if (!pages.answer(request.url ?? '', response))
        say('application/json', JSON.stringify(request.headers));
    });
    request.on('error', () => response.destroy());
  });
  application.on('upgrade', acceptWebSocket);
  application.listen(0, '127.0.0.1');
  await once(application, 'listening');
  scope.defer(() => {
    application.closeAllConnections();
    application.close();
  });
  return { address: `127.0.0.1:${(application.address() as AddressInfo).port}` };
}
