import { createJsEngine } from '../../src/engine/js/engine.ts';
import { describeWire } from './suite.ts';

describeWire({ name: 'js', create: createJsEngine });
