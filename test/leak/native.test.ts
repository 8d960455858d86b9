import { describeIdleTunnels } from './idle-tunnels.ts';
import { describeLeaks } from './suite.ts';

describeLeaks('native');
describeIdleTunnels('native');
