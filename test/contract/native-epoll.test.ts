// The contract on the native engine's epoll loop.
import { NATIVE_ON_EPOLL } from '../support/native-under-test.ts';
import { describeEngine } from './suite.ts';

describeEngine({ ...NATIVE_ON_EPOLL, skip: [] });
