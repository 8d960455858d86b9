import { createNativeEngine } from '../../src/engine/native/native-engine.ts';
import { hostAddon } from '../support/host-addon.ts';
import { describeEngine } from './suite.ts';

// A host is an engine in a process of its own, as sanitizers need it (scripts/run-sanitized.mjs).
const host = process.env.SLUICE_NATIVE_HOST;
const addon = host === undefined ? undefined : hostAddon(host);

describeEngine({
  name: 'native',
  create: (options) => createNativeEngine(options, addon),
  skip: [],
});
