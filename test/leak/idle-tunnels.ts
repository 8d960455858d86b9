// Idle tunnels of a forward proxy, as many as the limit on open files permits, 10,000 at most: each costs the engine's
// process little memory and two descriptors, all of them still work, and all of them end.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { describe, it } from 'node:test';
import { eventually, within } from '../support/deadline.ts';
import { startEngineProcess } from '../support/engine-process.ts';
import { type Scope, withScope } from '../support/scope.ts';
import { startEchoTarget } from '../support/tcp-target.ts';

const MOST = 10_000;
/** Opened at a time: fewer than a listener's backlog. */
const AT_A_TIME = 100;
/** Descriptors of this process and of the engine's that belong to no tunnel. */
const OTHERS = 300;
/** Of the engine's process, for one tunnel: two streams, and what the request was. */
const BYTES_EACH = 8 * 1024;
/** For all of them to end: each look at the engine's process takes a while with so many open. */
const END_MS = 60_000;

export function describeIdleTunnels(engine: string): void {
  describe(`${engine}: idle tunnels`, () => {
    it('as many as may be open cost little memory, still work, and all end', () =>
      withScope((scope) => run(engine, scope)));
  });
}

async function run(engine: string, scope: Scope): Promise<void> {
  const target = scope.own(await startEchoTarget());
  const child = scope.own(
    await startEngineProcess(engine, {
      listeners: {
        egress: {
          address: '127.0.0.1:0',
          protocol: 'forward',
          privateDestinations: ['127.0.0.0/8'],
          connectPorts: ['1-65535'],
        },
      },
    }),
  );
  const open = async (count: number): Promise<readonly net.Socket[]> => {
    const tunnels: net.Socket[] = [];
    while (tunnels.length < count) {
      const batch = Array.from({ length: Math.min(AT_A_TIME, count - tunnels.length) }, () =>
        openTunnel(child.port('egress'), target.port),
      );
      tunnels.push(...(await Promise.all(batch)));
    }
    scope.own({ close: () => tunnels.forEach((tunnel) => void tunnel.destroy()) });
    return tunnels;
  };
  const close = async (tunnels: readonly net.Socket[]): Promise<void> => {
    for (const tunnel of tunnels) tunnel.end();
    const haveEnded = async () => {
      const { inFlight, listeners } = await child.facts();
      return inFlight === 0 && listeners.egress?.active === 0;
    };
    await eventually('all tunnels to end', haveEnded, END_MS);
  };
  // What the first ones open for good belongs to none of them.
  await close(await open(AT_A_TIME));
  const before = await child.facts();
  const count = Math.min(MOST, Math.floor((limitOnFiles() - OTHERS) / 2));
  const tunnels = await open(count);
  const idle = await child.facts();
  assert.equal(idle.inFlight, count);
  assert.equal(idle.descriptors - before.descriptors, 2 * count);
  const each = (idle.rssBytes - before.rssBytes) / count;
  assert.ok(each < BYTES_EACH, `${Math.round(each)} bytes for each of ${count} idle tunnels`);
  for (const [i, tunnel] of tunnels.entries()) {
    if (i % 97 === 0) assert.equal(await echo(tunnel, `number ${i}`), `number ${i}`);
  }
  await close(tunnels);
  const areClosed = async () => (await child.facts()).descriptors <= before.descriptors;
  await eventually('their descriptors to be closed', areClosed, END_MS);
}

async function openTunnel(proxy: number, target: number): Promise<net.Socket> {
  const socket = net.connect(proxy, '127.0.0.1');
  socket.write(`CONNECT 127.0.0.1:${target} HTTP/1.1\r\nHost: 127.0.0.1:${target}\r\n\r\n`);
  const answer = await nextText(socket);
  assert.match(answer, /^HTTP\/1\.1 200 [^\r]*\r\n\r\n$/);
  return socket;
}

async function echo(socket: net.Socket, text: string): Promise<string> {
  socket.write(text);
  return nextText(socket);
}

function nextText(socket: net.Socket): Promise<string> {
  const told = new Promise<string>((resolve, reject) => {
    socket.once('data', (bytes) => resolve(bytes.toString('latin1')));
    socket.once('error', reject);
  });
  return within(told, 'what the proxy sends');
}

/** Of this process, which the engine's inherits: node raises it to what is permitted. */
function limitOnFiles(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? 1024);
}
