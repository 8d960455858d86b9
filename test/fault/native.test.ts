import { createNativeEngine } from '../../src/engine/native/native-engine.ts';
import { describeFaults } from './suite.ts';

describeFaults('native', (options) => createNativeEngine(options));
