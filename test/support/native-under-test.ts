// The native engine as tests make it: in this process, or, when SLUICE_NATIVE_HOST names a host program, each in a
// process of its own, as sanitizers need it (scripts/run-sanitized.mjs).
import { createNativeEngine } from '../../src/engine/native/native-engine.ts';
import { hostAddon } from './host-addon.ts';
import type { CreateEngine } from './running-engine.ts';

const host = process.env.SLUICE_NATIVE_HOST;
const addon = host === undefined ? undefined : hostAddon(host);

export const createNative: CreateEngine = (options) => createNativeEngine(options, addon);
