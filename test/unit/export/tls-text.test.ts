// What is printed for each setting of TLS and of the PROXY protocol, and which of them a program has no word for.
import { describe, it } from 'node:test';
import type { CertificateNames } from '../../../src/export/exported.ts';
import { certificateKey } from '../../../src/plan/credentials.ts';
import { checkText } from './check-text.ts';
import { PROGRAMS } from './programs.ts';
import type { Setting } from './settings.ts';

const SITE = { cert: '/site.pem', key: '/site.pem.key' };
const OTHER = { cert: '/other.pem', key: '/other.pem.key' };
const TARGETS = ['127.0.0.1:3001', '127.0.0.1:3002'];

const https = (tls: object = {}, listener: object = {}): object => ({
  listeners: {
    web: {
      ...{ address: '127.0.0.1:8443', protocol: 'https', pool: 'all' },
      ...{ tls: { certificates: [SITE], ...tls }, ...listener },
    },
  },
  pools: { all: { targets: TARGETS.slice(0, 1) } },
});
const tcp = (listener: object, pool: object = {}): object => ({
  listeners: { db: { address: '127.0.0.1:8443', protocol: 'tcp', ...listener } },
  pools: { all: { targets: TARGETS.slice(0, 1), ...pool }, two: { targets: TARGETS.slice(1) } },
});
const pool = (all: object): object => ({
  listeners: { web: { address: '127.0.0.1:8080', protocol: 'http', pool: 'all' } },
  pools: { all },
});
const known = (
  ...names: readonly (readonly [typeof SITE, ...string[]])[]
): ReadonlyMap<string, CertificateNames> =>
  new Map(names.map(([files, ...hosts]) => [certificateKey(files), { hosts, keyType: 'ec' }]));

const SETTINGS: readonly Setting[] = [
  {
    name: 'nothing but a certificate',
    config: https(),
    nginx: {
      lines: [
        'listen 127.0.0.1:8443 ssl default_server backlog=4096;',
        'ssl_protocols TLSv1.2 TLSv1.3;',
        /^ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:/,
        /^ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256:/,
        'ssl_ecdh_curve X25519:P-256:P-384;',
        'ssl_session_tickets on;',
        'ssl_session_timeout 43200s;',
        'ssl_certificate /site.pem;',
        'ssl_certificate_key /site.pem.key;',
      ],
      without: [/stapling/, /ssl_verify/, /ssl_reject/, /Strict-Transport/, /proxy_ssl/],
    },
    haproxy: {
      lines: [
        'tune.ssl.lifetime 43200s',
        /^bind 127\.0\.0\.1:8443 ssl crt \/site\.pem ssl-min-ver TLSv1\.2 ssl-max-ver TLSv1\.3 ciphers \S+ ciphersuites \S+ curves X25519:P-256:P-384 prefer-client-ciphers alpn http\/1\.1$/,
      ],
      without: [/ssl-load-extra/, /verify/, /strict-sni/, /no-tls-tickets/],
    },
  },
  {
    name: 'an old profile, an OCSP response, no tickets and a short life',
    config: https({
      certificates: [{ ...SITE, ocsp: '/site.ocsp' }],
      profile: 'old',
      sessionTickets: false,
      sessionLifetime: '5m',
    }),
    nginx: {
      lines: [
        'ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;',
        /^ssl_ciphers .*:AES256-SHA:@SECLEVEL=0;$/,
        'ssl_session_tickets off;',
        'ssl_session_timeout 300s;',
        'ssl_stapling on;',
        'ssl_stapling_file /site.ocsp;',
      ],
    },
    haproxy: {
      lines: ['tune.ssl.lifetime 300s', /ssl-min-ver TLSv1\.0 .* no-tls-tickets$/],
      warnings: ['listeners.web.tls.certificates[0].ocsp: '],
    },
  },
  {
    name: 'keys that HAProxy finds, and keys that it does not',
    config: https({
      certificates: [
        { cert: '/a.crt', key: '/a.key' },
        { cert: '/b.pem', key: '/b.pem' },
        { cert: '/c.pem', key: '/d.key' },
      ],
    }),
    nginx: { warnings: ['listeners.web.tls.certificates: '] },
    haproxy: {
      lines: ['ssl-load-extra-del-ext', / crt \/a\.crt crt \/b\.pem crt \/c\.pem\.haproxy ssl-min/],
      warnings: [
        'listeners.web.tls.certificates[2]: HAProxy wants certificate and key in one file: cat /c.pem /d.key > /c.pem.haproxy',
      ],
    },
  },
  {
    name: 'certificates whose names were read',
    config: https({ certificates: [SITE, OTHER] }),
    settings: { certificates: known([SITE, 'a.test'], [OTHER, '*.b.test']) },
    nginx: {
      lines: [
        'listen 127.0.0.1:8443 ssl default_server backlog=4096;',
        'ssl_certificate /site.pem;',
        'server_name a.test;',
        'ssl_certificate /site.pem;',
        'server_name *.b.test;',
        'ssl_certificate /other.pem;',
      ],
    },
    haproxy: { lines: [/ssl crt \/site\.pem crt \/other\.pem /] },
  },
  {
    name: 'certificates whose names nobody has read',
    config: https({ certificates: [SITE, OTHER], unknownName: 'reject' }),
    nginx: {
      lines: ['ssl_certificate /site.pem;'],
      without: [/other\.pem/, /ssl_reject_handshake/],
      warnings: ['listeners.web.tls.certificates: ', 'listeners.web.tls.unknownName: '],
    },
    haproxy: { lines: [/strict-sni/], warnings: ['listeners.web.tls.unknownName: '] },
  },
  {
    name: 'unknown names that are refused',
    config: https({ unknownName: 'reject' }),
    settings: { certificates: known([SITE, 'a.test']) },
    nginx: {
      lines: ['ssl_reject_handshake on;', 'return 421;', 'server_name a.test;'],
      warnings: ['listeners.web.tls.unknownName: '],
    },
    haproxy: { lines: [/strict-sni/], warnings: ['listeners.web.tls.unknownName: '] },
  },
  {
    name: 'certificates by ACME, which neither obtains',
    config: {
      acme: { agreeToTerms: true, challenge: 'tls-alpn-01' },
      ...https({ certificates: [{ acme: ['a.example'] }] }),
    },
    nginx: {
      without: [/^listen/],
      warnings: ['listeners.web.tls.certificates[0]: ', 'listeners.web.tls: '],
    },
    haproxy: {
      without: [/^bind/],
      warnings: ['listeners.web.tls.certificates[0]: ', 'listeners.web.tls: '],
    },
  },
  {
    name: 'another time for handshakes',
    config: https({}, { timeouts: { handshake: '3s' } }),
    nginx: { warnings: ['listeners.web.timeouts.handshake: '] },
    haproxy: { warnings: ['listeners.web.timeouts.handshake: '] },
  },
  {
    name: 'sessions that live for several times',
    config: {
      listeners: {
        a: { address: ':1', protocol: 'https', tls: { certificates: [SITE] }, pool: 'all' },
        b: {
          ...{ address: ':2', protocol: 'https', pool: 'all' },
          tls: { certificates: [SITE], sessionLifetime: '1h' },
        },
      },
      pools: { all: { targets: TARGETS } },
    },
    nginx: { lines: ['ssl_session_timeout 43200s;', 'ssl_session_timeout 3600s;'] },
    haproxy: {
      lines: ['tune.ssl.lifetime 43200s'],
      warnings: ['listeners.b.tls.sessionLifetime: '],
    },
  },
  {
    name: 'client certificates that are asked for',
    config: https({
      clientCertificates: {
        ...{ mode: 'request', ca: '/ca.pem', crl: '/ca.crl' },
        headers: { verified: 'X-Verified', subject: 'X-Subject', names: 'X-Names' },
      },
    }),
    nginx: {
      lines: [
        'ssl_verify_client optional;',
        'ssl_verify_depth 100;',
        'ssl_client_certificate /ca.pem;',
        'ssl_crl /ca.crl;',
        'proxy_set_header X-Verified $sluice_verified;',
        'proxy_set_header X-Subject $ssl_client_s_dn;',
        'proxy_set_header X-Names "";',
      ],
      warnings: ['listeners.web.tls.clientCertificates.headers.names: '],
    },
    haproxy: {
      lines: [
        /verify optional ca-file \/ca\.pem crl-file \/ca\.crl$/,
        'http-request del-header "^x[-_]verified\\$" -m reg',
        'http-request set-header X-Verified "%[ssl_c_used]"',
        'http-request del-header "^x[-_]subject\\$" -m reg',
        'http-request set-header X-Subject "%[ssl_c_s_dn(,0,rfc2253)]" if { ssl_c_used }',
        'http-request del-header "^x[-_]names\\$" -m reg',
      ],
      warnings: ['listeners.web.tls.clientCertificates.headers.names: '],
    },
  },
  {
    name: 'PROXY headers, required and optional',
    config: https({}, { proxyProtocol: 'optional', trustedProxies: ['10.0.0.0/8', '::1'] }),
    nginx: {
      lines: [
        'listen 127.0.0.1:8443 ssl proxy_protocol default_server backlog=4096;',
        'set_real_ip_from 10.0.0.0/8;',
        'set_real_ip_from ::1/128;',
        'real_ip_header proxy_protocol;',
      ],
      warnings: ['listeners.web.proxyProtocol: '],
    },
    haproxy: {
      lines: ['tcp-request connection expect-proxy layer4 if { src 10.0.0.0/8 ::1/128 }'],
      warnings: ['listeners.web.proxyProtocol: '],
    },
  },
  {
    name: 'targets over TLS',
    config: pool({ targets: ['https://app.test', 'https://app.test:8443'] }),
    nginx: {
      lines: [
        'server app.test:443 max_fails=1 fail_timeout=2s;',
        'proxy_ssl_protocols TLSv1.2 TLSv1.3;',
        'proxy_ssl_server_name on;',
        'proxy_ssl_name app.test;',
        'proxy_ssl_verify on;',
        'proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;',
        'proxy_pass https://all;',
      ],
      warnings: ['pools.all.targets[0]: ', 'pools.all.targets[1]: '],
    },
    haproxy: {
      lines: [
        /^server app\.test app\.test:443 ssl verify required ca-file @system-ca verifyhost app\.test sni str\(app\.test\) ssl-min-ver TLSv1\.2 /,
      ],
      warnings: ['pools.all.targets[0]: ', 'pools.all.targets[1]: '],
    },
  },
  {
    name: 'targets that a program cannot verify as it should',
    config: pool({
      targets: ['https://127.0.0.1:1', 'http://127.0.0.2:2'],
      tls: { fingerprints: ['ab'.repeat(32)], curves: ['P-256'] },
    }),
    nginx: {
      lines: [
        'proxy_ssl_conf_command Curves P-256;',
        'proxy_ssl_name 127.0.0.1;',
        'proxy_ssl_verify on;',
      ],
      without: [/proxy_ssl_server_name/],
      warnings: [
        'pools.all.targets: ',
        'pools.all.tls.serverName: ',
        'pools.all.tls.fingerprints: ',
      ],
    },
    haproxy: {
      lines: [/verifyhost 127\.0\.0\.1 ssl-min-ver/],
      without: [/sni str/],
      warnings: [
        'pools.all.tls.serverName: ',
        'pools.all.tls.fingerprints: ',
        'pools.all.tls.curves: ',
      ],
    },
  },
  {
    name: 'targets of which one speaks no TLS',
    config: pool({ targets: ['https://a.test', 'http://a.test:80'], keepAlive: { maxIdle: 0 } }),
    nginx: {
      lines: ['proxy_pass https://all;'],
      warnings: [
        'pools.all.targets[0]: ',
        'pools.all.targets[1]: ',
        'pools.all.targets[1]: nginx speaks',
      ],
    },
    haproxy: {
      lines: [/^server \S+ a\.test:443 ssl verify required/, /^server \S+ a\.test:80$/],
      warnings: ['pools.all.targets[0]: ', 'pools.all.targets[1]: '],
    },
  },
  {
    name: 'PROXY headers to targets of http',
    config: pool({ targets: TARGETS.slice(0, 1), proxyProtocol: 'v2' }),
    nginx: { without: [/proxy_protocol/], warnings: ['pools.all.proxyProtocol: '] },
    haproxy: {
      lines: ['http-reuse never', /send-proxy-v2$/],
      without: [/pool-max-conn/],
    },
  },
  {
    name: 'routes by ClientHello',
    config: tcp({
      routes: [
        { match: { serverName: 'a.test', alpn: ['h2', 'x+y'] }, pool: 'two' },
        { match: { serverName: '*.b.test' }, pool: 'all' },
      ],
      timeouts: { handshake: '4s' },
    }),
    nginx: {
      lines: [
        'map "$ssl_preread_server_name $ssl_preread_alpn_protocols" $sluice_pool_0 {',
        '"~^(?i:a\\\\.test)\\\\.? (?:.*,)?(?:h2|x\\\\+y)(?:,.*)?\\\\z" two;',
        '"~^(?i:[^ ]+\\\\.b\\\\.test)\\\\.? .*\\\\z" all;',
        'default "";',
        'ssl_preread on;',
        'preread_timeout 4s;',
        'proxy_pass $sluice_pool_0;',
      ],
    },
    haproxy: {
      lines: [
        'tcp-request inspect-delay 4s',
        'tcp-request content accept if { req.ssl_hello_type 1 }',
        /^use_backend two if \{ req\.ssl_sni,lower,rtrim\(\.\) -m str -- a\.test \} \{ req\.ssl_alpn -m reg/,
        'use_backend all if { req.ssl_sni,lower,rtrim(.) -m end -- .b.test }',
      ],
      without: [/default_backend/],
    },
  },
  {
    name: 'PROXY headers of datagrams',
    config: {
      listeners: {
        media: {
          ...{ address: '127.0.0.1:8080', protocol: 'udp', pool: 'all' },
          ...{ proxyProtocol: 'required', trustedProxies: ['10.0.0.0/8'] },
        },
      },
      pools: { all: { targets: TARGETS.slice(0, 1), proxyProtocol: 'v2' } },
    },
    nginx: {
      lines: ['listen 127.0.0.1:8080 udp rcvbuf=4m sndbuf=4m;'],
      without: [/proxy_protocol/],
      warnings: ['listeners.media.proxyProtocol: ', 'pools.all.proxyProtocol: '],
    },
    haproxy: { lines: [], without: [/send-proxy/], warnings: ['listeners.media: '] },
  },
  {
    name: 'TLS that ends at a tcp listener with routes',
    config: tcp(
      {
        tls: { certificates: [SITE], alpn: ['h2'], unknownName: 'reject' },
        routes: [{ match: { alpn: ['h2'] }, pool: 'two' }],
        pool: 'all',
      },
      { proxyProtocol: 'v1' },
    ),
    nginx: {
      lines: [
        'map "$ssl_server_name $ssl_alpn_protocol" $sluice_pool_0 {',
        'listen 127.0.0.1:8443 ssl backlog=4096;',
        'ssl_handshake_timeout 10s;',
        'ssl_alpn h2;',
      ],
      without: [/ssl_preread/, /^proxy_protocol/],
      warnings: [
        'listeners.db.tls.unknownName: ',
        'listeners.db.routes: nginx speaks to the targets of all pools',
        'listeners.db.routes: nginx that ends TLS',
      ],
    },
    haproxy: {
      lines: [
        /^bind .* ssl crt \/site\.pem .* alpn h2 strict-sni$/,
        /^use_backend two if \{ ssl_fc_alpn -m reg/,
        'default_backend all',
        /^server .* send-proxy$/,
      ],
      without: [/inspect-delay/],
      warnings: ['listeners.db.tls.unknownName: ', 'listeners.db.routes: '],
    },
  },
];

for (const program of PROGRAMS) {
  describe(`the text of an export of TLS to ${program}`, () => {
    for (const { name, config, settings, ...wanted } of SETTINGS) {
      it(`says ${name}`, () => checkText(program, config, settings ?? {}, wanted[program]));
    }
  });
}
