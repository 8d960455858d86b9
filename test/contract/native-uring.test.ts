// The contract on the native engine's other loop, where the kernel allows it. Where it does not, the engine says so
// and runs on epoll, which native.test.ts judges already.
import { test } from 'node:test';
import { createNativeRing, ringProblem } from '../support/native-under-test.ts';
import { describeEngine } from './suite.ts';

const problem = await ringProblem();

if (problem === undefined) {
  describeEngine({ name: 'native-uring', create: createNativeRing, skip: [] });
} else {
  test('native-uring: the contract', { skip: `no io_uring here: ${problem}` }, () => {});
}
