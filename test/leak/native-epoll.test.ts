// Leaks on the native engine's epoll loop.
import { describeIdleTunnels } from './idle-tunnels.ts';
import { describeLeaks } from './suite.ts';

describeLeaks('native-epoll');
describeIdleTunnels('native-epoll');
