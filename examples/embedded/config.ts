// A configuration in TypeScript: the editor completes and checks it, and it may be computed.
import { defineConfig } from '../../src/index.ts';

const targets = (process.env.TARGETS ?? '127.0.0.1:5001,127.0.0.1:5002').split(',');

export const config = defineConfig({
  listeners: {
    web: {
      address: `127.0.0.1:${process.env.PORT ?? 8080}`,
      protocol: 'http',
      routes: [
        { match: { path: '/version' }, respond: { body: `${process.version}\n` } },
        { match: { path: '/*' }, pool: 'web', requestHeaders: { set: { 'X-Proxy': 'embedded' } } },
      ],
    },
  },
  pools: {
    web: { strategy: 'power-of-two-choices', targets },
  },
});

export default config;
