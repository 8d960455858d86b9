import { describeLeaks } from './suite.ts';

describeLeaks('js');
