// The native engine as tests make it: in this process, or, when SLUICE_NATIVE_HOST names a host program, each in a
// process of its own, as sanitizers need it (scripts/run-sanitized.mjs); and on both of its loops.
import { test } from 'node:test';
import type { LoopInUse, LoopName } from '../../src/engine/engine.ts';
import { createNativeEngine } from '../../src/engine/native/native-engine.ts';
import { hostAddon } from './host-addon.ts';
import { type CreateEngine, startEngine } from './running-engine.ts';

export interface NativeUnderTest {
  readonly name: string;
  readonly create: CreateEngine;
}

const host = process.env.SLUICE_NATIVE_HOST;
const addon = host === undefined ? undefined : hostAddon(host);

/** On the loop that it chooses here: io_uring, but for old kernels and those that forbid it. */
export const NATIVE: NativeUnderTest = {
  name: 'native',
  create: (options) => createNativeEngine(options, addon),
};

export const NATIVE_ON_EPOLL: NativeUnderTest = nativeOn('epoll');

export function nativeOn(loop: LoopName): NativeUnderTest {
  return {
    name: `native-${loop}`,
    create: (options) => createNativeEngine({ ...options, loop }, addon),
  };
}

/** The engine on each of its loops. Where it chooses epoll by itself a skipped test says why. */
export async function onBothLoops(describe: (native: NativeUnderTest) => void): Promise<void> {
  describe(NATIVE_ON_EPOLL);
  await unlessOnEpoll(describe);
}

/** The engine as it chooses, unless that is epoll, which is tested besides. */
async function unlessOnEpoll(describe: (native: NativeUnderTest) => void): Promise<void> {
  const { name, reason } = await loopOf(NATIVE);
  if (name === 'io_uring') describe(NATIVE);
  else test('the native engine on io_uring', { skip: reason }, () => {});
}

/** What it waits on here. */
export async function loopOf({ create }: NativeUnderTest): Promise<LoopInUse> {
  const listeners = {
    any: { address: '127.0.0.1:0', protocol: 'http', routes: [{ respond: {} }] },
  };
  const { engine } = await startEngine(create, { listeners });
  await engine.close(0);
  if (!engine.loop) throw new Error('a started native engine waits on something');
  return engine.loop;
}
