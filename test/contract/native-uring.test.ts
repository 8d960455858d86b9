// The contract on the native engine's other loop.
import { onRing } from '../support/native-under-test.ts';
import { describeEngine } from './suite.ts';

await onRing((native) => describeEngine({ ...native, skip: [] }));
