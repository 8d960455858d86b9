// Prints native/fuzz/corpus/plan: encoded plans that native/test/plan reads back field by field and that the fuzz
// target begins with. Run it after PLAN_LAYOUT has changed: `npx tsx scripts/print-plan-seeds.ts`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseConfig } from '../src/config/parse.ts';
import { Secret } from '../src/contract/secret.ts';
import { compile } from '../src/plan/compile.ts';
import {
  bundleKey,
  type Credentials,
  credentialsToLoad,
  NO_CREDENTIALS,
} from '../src/plan/credentials.ts';
import { encodePlan } from '../src/plan/encode.ts';
import type { LoadedList } from '../src/plan/forward-files.ts';
import { KEY_WORDS, toKey } from '../src/plan/host-hash.ts';
import { buildHostSet } from '../src/plan/host-set.ts';

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
  tls: {
    listeners: {
      site: {
        address: '0.0.0.0:8443',
        protocol: 'https',
        proxyProtocol: 'required',
        trustedProxies: ['10.0.0.1'],
        timeouts: { handshake: '8s' },
        hsts: true,
        tls: {
          certificates: [
            { cert: '/ec.pem', key: '/ec.key', ocsp: '/ec.ocsp' },
            { cert: '/rsa.pem', key: '/rsa.key' },
            { cert: '/other.pem', key: '/other.key' },
          ],
          unknownName: 'reject',
          sessionLifetime: '1h',
          clientCertificates: {
            mode: 'request',
            ca: '/ca.pem',
            crl: '/ca.crl',
            headers: { subject: 'X-Client-Subject', verified: 'X-Client-Verified' },
          },
        },
        routes: [
          { match: { clientCertificate: { commonName: 'jane' } }, pool: 'inner' },
          { match: { clientCertificate: { verified: false } }, respond: { status: 403 } },
        ],
      },
      pass: {
        address: '0.0.0.0:9443',
        protocol: 'tcp',
        routes: [
          { match: { serverName: '*.example.com', alpn: ['h2', 'http/1.1'] }, pool: 'raw' },
          { match: { serverName: 'db.example.com' }, pool: 'raw' },
        ],
      },
    },
    pools: {
      inner: {
        targets: ['https://10.0.0.2', '10.0.0.3:80'],
        tls: {
          ca: '/ca.pem',
          serverName: 'inner.example.com',
          certificate: { cert: '/us.pem', key: '/us.key' },
          fingerprints: ['00'.repeat(32)],
          profile: 'modern',
        },
      },
      raw: { targets: ['10.0.0.4:443'], proxyProtocol: 'v2' },
    },
  },
};

SEEDS.forward = {
  listeners: {
    egress: {
      address: '127.0.0.1:3128',
      protocol: 'forward',
      accept: ['http', 'socks5'],
      users: {
        file: '/users.txt',
        realm: 'Office',
        limits: { connections: 8 },
        each: { ann: { bandwidth: '1MiB', quota: '2GiB' } },
      },
      deny: ['*.facebook.com', '10.0.0.0/8'],
      rules: [
        {
          name: 'night',
          match: {
            clients: ['192.0.2.0/24'],
            users: ['ann'],
            lists: ['ads'],
            ports: [80, '8000-8099'],
            methods: ['GET'],
            path: '/x/*',
            times: [{ days: ['mon', 'sun'], from: '22:00', to: '06:00' }],
          },
          action: 'deny',
        },
        { match: { hosts: ['example.com'] }, action: 'allow', via: 'parents' },
      ],
      default: 'deny',
      connectPorts: [443],
      privateDestinations: ['fd00::/8'],
      anonymity: 'elite',
      sourceAddresses: ['192.0.2.9', '2001:db8::9'],
      pac: true,
    },
  },
  pools: {
    parents: {
      targets: ['10.0.0.9:1080'],
      parent: { protocol: 'socks5', username: 'us', password: 'pw' },
    },
  },
  lists: { ads: 'ads.txt' },
};

/** Stand-ins for what is in the files: whether it is any good is not the decoder's to judge. */
const HOSTS: Readonly<Record<string, readonly string[]>> = {
  '/ec.pem': ['example.com', '*.example.com'],
  '/rsa.pem': ['example.com'],
  '/other.pem': ['other.example.org'],
};

function standIns(config: ReturnType<typeof parseConfig>): Credentials {
  const { certificates, bundles } = credentialsToLoad(config);
  return {
    ...NO_CREDENTIALS,
    certificates: new Map(
      certificates.map(({ key, certificate }) => {
        const name = 'cert' in certificate ? certificate.cert : 'acme';
        const hasOcsp = 'ocsp' in certificate && certificate.ocsp !== null;
        const loaded = {
          name,
          chain: `chain of ${name}`,
          key: new Secret(`key of ${name}`),
          ocsp: new Uint8Array(hasOcsp ? [48, 3, 10, 1, 6] : []),
          hosts: HOSTS[name] ?? [],
          keyType: name === '/rsa.pem' ? 'rsa' : 'ec',
          notBeforeMs: 0,
          notAfterMs: 0,
        };
        return [key, loaded] as const;
      }),
    ),
    bundles: new Map(bundles.map(({ kind, file }) => [bundleKey(kind, file), `PEM of ${file}`])),
    tlsChallenges: new Map(),
  };
}

const ADS: LoadedList = {
  digest: 'ads',
  // A key that is the same whenever seeds are printed.
  hosts: buildHostSet(
    [{ host: 'ads.example.com', exact: true, subdomains: false }],
    toKey(new Uint32Array(KEY_WORDS).fill(0x9e37_79b1)),
  ),
  blocks: [{ family: 'ipv4', host: '198.51.100.0', bits: 24 }],
};

const folder = new URL('../native/fuzz/corpus/plan/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const [name, config] of Object.entries(SEEDS)) {
  const parsed = parseConfig(config);
  const plan = compile(parsed, new Map(), 1, standIns(parsed), {
    instance: 'sluice-seed',
    lists: new Map([['ads', ADS]]),
    users: new Map([['/users.txt', { digest: 'users', names: ['ann', 'bob'] }]]),
    texts: new Map(),
  });
  writeFileSync(new URL(name, folder), encodePlan(plan));
}
