// Leaks on the native engine's epoll loop.
import { describeLeaks } from './suite.ts';

describeLeaks('native-epoll');
