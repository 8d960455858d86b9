import { createNativeEngine } from '../../src/engine/native/native-engine.ts';
import { describeEngine } from './suite.ts';

describeEngine({ name: 'native', create: (options) => createNativeEngine(options), skip: [] });
