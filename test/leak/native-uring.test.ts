// Leaks on the native engine's other loop.
import { onRing } from '../support/native-under-test.ts';
import { describeLeaks } from './suite.ts';

await onRing(({ name }) => describeLeaks(name));
