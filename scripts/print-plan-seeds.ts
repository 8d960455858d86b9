// Prints native/fuzz/corpus/plan: encoded plans that native/test/plan reads back field by field and that the fuzz
// target begins with. Run it after PLAN_LAYOUT has changed: `npx tsx scripts/print-plan-seeds.ts`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseConfig } from '../src/config/parse.ts';
import { compile } from '../src/plan/compile.ts';
import { encodePlan } from '../src/plan/encode.ts';

const SEEDS: Record<string, unknown> = {
  small: {
    listeners: { db: { address: '127.0.0.1:5433', protocol: 'tcp', pool: 'db' } },
    pools: { db: { targets: ['127.0.0.1:5432'] } },
  },
  sockets: {
    listeners: {
      local: { address: 'unix:/run/sluice.sock', protocol: 'tcp', pool: 'files' },
      media: {
        address: '[::1]:9000',
        protocol: 'udp',
        pool: 'all',
        idleTimeout: '30s',
        maxSessions: 7,
        responses: 2,
      },
    },
    pools: {
      files: { targets: ['unix:/run/a.sock'] },
      all: { strategy: 'power-of-two-choices', targets: ['[2001:db8::1]:1', '10.0.0.1:2'] },
    },
  },
  full: {
    listeners: {
      web: {
        address: '0.0.0.0:8080',
        protocol: 'http',
        forwarded: 'append',
        trustedProxies: ['10.0.0.0/8', '::1'],
        timeouts: { connect: '1s', requestHeader: '2s', bodyIdle: '3s', keepAlive: '4s' },
        limits: { head: '16KiB', headerCount: 50, target: '4KiB', body: '8GiB' },
        maxConnections: 1000,
        accessLog: '/var/log/sluice.log',
        splice: 'never',
        routes: [
          {
            name: 'api',
            match: { host: '*.example.com', path: '/api/*' },
            stripPrefix: '/api',
            addPrefix: '/v1',
            hostHeader: 'target',
            requestHeaders: { set: { 'X-Gateway': 'sluice' }, remove: ['Cookie'] },
            responseHeaders: { add: { Via: 'sluice' } },
            pool: 'api',
          },
          { match: { pathRegex: '^/u/[0-9]+$' }, pool: 'web' },
          { match: { path: '/healthz' }, respond: { status: 200, body: 'ok\n' } },
          { redirect: { to: 'https://{host}{path}{query}', status: 308 } },
        ],
      },
    },
    pools: {
      api: {
        strategy: 'least-connections',
        targets: [{ address: '127.0.0.1:3000', weight: 3 }, '127.0.0.1:3001'],
      },
      web: { strategy: 'ip-hash', targets: ['127.0.0.1:3002', '127.0.0.1:3003'] },
    },
  },
};

const folder = new URL('../native/fuzz/corpus/plan/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const [name, config] of Object.entries(SEEDS)) {
  writeFileSync(new URL(name, folder), encodePlan(compile(parseConfig(config), new Map(), 1)));
}
