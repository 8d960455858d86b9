// The native engine as tests make it: in this process, or, when SLUICE_NATIVE_HOST names a host program, each in a
// process of its own, as sanitizers need it (scripts/run-sanitized.mjs).
import { createNativeEngine } from '../../src/engine/native/native-engine.ts';
import { hostAddon } from './host-addon.ts';
import { type CreateEngine, startEngine } from './running-engine.ts';

const host = process.env.SLUICE_NATIVE_HOST;
const addon = host === undefined ? undefined : hostAddon(host);

export const createNative: CreateEngine = (options) => createNativeEngine(options, addon);

/** On io_uring, where ringProblem() finds none. */
export const createNativeRing: CreateEngine = (options) =>
  createNativeEngine({ ...options, loop: 'io_uring' }, addon);

/** What the engine says when it cannot have an io_uring here; undefined when it can. */
export async function ringProblem(): Promise<string | undefined> {
  const listeners = {
    any: { address: '127.0.0.1:0', protocol: 'http', routes: [{ respond: {} }] },
  };
  const engine = await startEngine(createNativeRing, { listeners });
  const [problem] = engine.warnings;
  await engine.close();
  return problem;
}
