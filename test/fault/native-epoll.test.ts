// Faults on the native engine's epoll loop.
import { NATIVE_ON_EPOLL } from '../support/native-under-test.ts';
import { describeFaults } from './suite.ts';

describeFaults(NATIVE_ON_EPOLL.name, NATIVE_ON_EPOLL.create);
