import { createJsEngine } from '../../src/engine/js/engine.ts';
import { describeEngine } from './suite.ts';

describeEngine({ name: 'js', create: createJsEngine });
