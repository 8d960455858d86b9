import { createNativeEngine } from '../../src/engine/native/native-engine.ts';
import { describeWire } from './suite.ts';

describeWire({ name: 'native', create: (options) => createNativeEngine(options), skip: [] });
