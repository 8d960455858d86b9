// What a configuration says when nobody wrote anything: what differs from it was meant.
import type { HttpListenerConfig, PoolConfig, UdpListenerConfig } from '../config/config.ts';
import { parseConfig } from '../config/parse.ts';

const config = parseConfig({
  listeners: {
    http: { address: '127.0.0.1:1', protocol: 'http', pool: 'pool' },
    udp: { address: '127.0.0.1:2', protocol: 'udp', pool: 'pool' },
  },
  pools: { pool: { targets: ['127.0.0.1:3'] } },
});

export const DEFAULT_HTTP = config.listeners.http as HttpListenerConfig;
export const DEFAULT_UDP = config.listeners.udp as UdpListenerConfig;
export const DEFAULT_POOL = config.pools.pool as PoolConfig;
