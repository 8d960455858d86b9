// The wire suite on the native engine's other loop.
import { onRing } from '../support/native-under-test.ts';
import { describeWire } from './suite.ts';

await onRing((native) => describeWire({ ...native, skip: [] }));
