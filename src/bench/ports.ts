// Ports for the programs of a run, chosen before they start and below the range from which the kernel
// gives ports to outgoing connections, so that no upstream connection takes one away meanwhile.
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export const FIRST_PORT = 20_000;
export const LAST_PORT = 31_999;
const given = new Set<number>();

export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 1_000; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    if (!given.has(port) && (await isFreeForTcp(port)) && (await isFreeForUdp(port))) {
      given.add(port);
      return port;
    }
  }
  throw new Error(`no free port between ${FIRST_PORT} and ${LAST_PORT}`);
}

/** Resolves once something accepts TCP connections on the port; false when `isOver` says so first. */
export async function waitForTcp(port: number, isOver: () => boolean): Promise<boolean> {
  while (!isOver()) {
    if (await accepts(port)) return true;
    await sleep(20);
  }
  return false;
}

/** The same for UDP: a bound port refuses to be bound again. */
export async function waitForUdp(port: number, isOver: () => boolean): Promise<boolean> {
  while (!isOver()) {
    if (!(await isFreeForUdp(port))) return true;
    await sleep(20);
  }
  return false;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function isFreeForTcp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const listener = createServer();
    listener.once('error', () => resolve(false));
    listener.listen(port, '127.0.0.1', () => listener.close(() => resolve(true)));
  });
}

function isFreeForUdp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  });
}
