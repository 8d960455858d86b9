// The wire suite on the native engine's epoll loop.
import { NATIVE_ON_EPOLL } from '../support/native-under-test.ts';
import { describeWire } from './suite.ts';

describeWire({ ...NATIVE_ON_EPOLL, skip: [] });
