import { describeLeaks } from './suite.ts';

describeLeaks('native');
