import { createJsEngine } from '../../src/engine/js/engine.ts';
import { describeFaults } from './suite.ts';

describeFaults('js', createJsEngine);
