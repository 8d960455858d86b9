// The native engine as tests make it: in this process, or, when SLUICE_NATIVE_HOST names a host program, each in a
// process of its own, as sanitizers need it (scripts/run-sanitized.mjs); and on both of its loops.
import { test } from 'node:test';
import { createNativeEngine } from '../../src/engine/native/native-engine.ts';
import { hostAddon } from './host-addon.ts';
import { type CreateEngine, startEngine } from './running-engine.ts';

export interface NativeUnderTest {
  readonly name: string;
  readonly create: CreateEngine;
}

const host = process.env.SLUICE_NATIVE_HOST;
const addon = host === undefined ? undefined : hostAddon(host);

const EPOLL: NativeUnderTest = {
  name: 'native',
  create: (options) => createNativeEngine(options, addon),
};

const RING: NativeUnderTest = {
  name: 'native-uring',
  create: (options) => createNativeEngine({ ...options, loop: 'io_uring' }, addon),
};

/** The engine on its other loop. Where the kernel allows none nothing is described, and a skipped test says why. */
export async function onRing(describe: (native: NativeUnderTest) => void): Promise<void> {
  const problem = await ringProblem();
  if (problem === undefined) describe(RING);
  else test('the native engine on io_uring', { skip: problem }, () => {});
}

/** The engine on each of its loops. */
export async function onBothLoops(describe: (native: NativeUnderTest) => void): Promise<void> {
  describe(EPOLL);
  await onRing(describe);
}

/** What the engine says when it cannot have an io_uring here. */
async function ringProblem(): Promise<string | undefined> {
  const listeners = {
    any: { address: '127.0.0.1:0', protocol: 'http', routes: [{ respond: {} }] },
  };
  const engine = await startEngine(RING.create, { listeners });
  const [problem] = engine.warnings;
  await engine.close();
  return problem;
}
