// Faults on the native engine's other loop.
import { onRing } from '../support/native-under-test.ts';
import { describeFaults } from './suite.ts';

await onRing(({ name, create }) => describeFaults(name, create));
