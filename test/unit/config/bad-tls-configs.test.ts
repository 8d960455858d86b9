// What is said about each mistake in TLS, ACME and the PROXY protocol, word for word.
import { describeTable, POOLS } from './mistakes.ts';

const listener = (text: string) => `${POOLS}\nlisteners: { web: ${text} }`;
const https = (text: string) => listener(`{ address: ":0", protocol: https, pool: p, ${text} }`);
const tls = (text: string) =>
  https(`tls: { certificates: [{ cert: site.pem, key: site.key }], ${text} }`);
const certificate = (text: string) => https(`tls: { certificates: [ ${text} ] }`);
const clients = (text: string) => tls(`clientCertificates: { ca: ca.pem, ${text} }`);
const pool = (text: string) =>
  `listeners: { raw: { address: ":0", protocol: tcp, pool: p } }\npools: { p: ${text} }`;
const upstream = (text: string) => pool(`{ targets: ["https://a.test"], tls: ${text} }`);
const acme = (text: string) => `${certificate('{ acme: [example.com] }')}\nacme: { ${text} }`;
const tcp = (text: string) => listener(`{ address: ":0", protocol: tcp, ${text} }`);
const asked = (text: string) =>
  listener(
    `{ address: ":0", protocol: https, routes: [{ match: { clientCertificate: ${text} }, pool: p }], tls: { certificates: [{ cert: a, key: b }], clientCertificates: { ca: c } } }`,
  );
const udpPool = (text: string) =>
  `listeners: { web: { address: ":0", protocol: udp, pool: p } }\npools: { p: { ${text} } }`;

describeTable('an https listener', https, [
  ['tls: {}', ['listeners.web.tls.certificates: a list of certificates; nothing']],
  ['tls: true', ['listeners.web.tls: a map of keys and values; true (boolean)']],
  [
    'tls: { certificates: [] }',
    ['listeners.web.tls.certificates: at least one certificate; an empty list'],
  ],
  [
    'tls: { certificates: { cert: a, key: b } }',
    ['listeners.web.tls.certificates: a list of certificates; a map of cert, key'],
  ],
  [
    'tls: { cert: a, key: b }',
    [
      'listeners.web.tls.certificates: a list of certificates; nothing',
      'listeners.web.tls.cert: one of the keys certificates, profile, minVersion, maxVersion, ciphers, cipherSuites, curves, kernelTls, unknownName, sessionTickets, sessionLifetime, clientCertificates; the unknown key "cert"',
      'listeners.web.tls.key: one of the keys certificates, profile, minVersion, maxVersion, ciphers, cipherSuites, curves, kernelTls, unknownName, sessionTickets, sessionLifetime, clientCertificates; the unknown key "key"',
    ],
  ],
  [
    'tls: { certificates: [{ cert: a, key: b }] }, redirectToHttps: true',
    [
      'listeners.web.redirectToHttps: one of the keys address, routes, pool, forwarded, trustedProxies, proxyProtocol, timeouts, limits, maxConnections, splice, accessLog, protocol, tls, hsts; the unknown key "redirectToHttps"',
    ],
  ],
  [
    'hsts: { maxAge: 60, includeSubdomains: true }, tls: { certificates: [{ cert: a, key: b }] }',
    [
      'listeners.web.hsts.maxAge: a duration such as 30s, or 0s; 60 (number); add a unit: 60s or 60ms',
      'listeners.web.hsts.includeSubdomains: one of the keys maxAge, includeSubDomains, preload; the unknown key "includeSubdomains"; did you mean includeSubDomains?',
    ],
  ],
  [
    'hsts: 1y, tls: { certificates: [{ cert: a, key: b }] }',
    [
      'listeners.web.hsts: true, false, or a map with maxAge, includeSubDomains and preload; "1y" (text)',
    ],
  ],
]);

describeTable('tls of a listener', tls, [
  [
    'profile: strict',
    [
      'listeners.web.tls.profile: one of intermediate, modern, old; "strict" (text); did you mean modern?',
    ],
  ],
  [
    'profile: default',
    [
      'listeners.web.tls.profile: one of intermediate, modern, old; "default" (text); did you mean intermediate?',
    ],
  ],
  [
    'kernelTls: "on"',
    [
      'listeners.web.tls.kernelTls: auto or off; "on" (text); did you mean auto? It is used where the kernel offers it',
    ],
  ],
  [
    'minVersion: 1.2',
    ['listeners.web.tls.minVersion: one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3; 1.2 (number)'],
  ],
  [
    'minVersion: "1.2"',
    [
      'listeners.web.tls.minVersion: one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3; "1.2" (text); write TLSv1.2',
    ],
  ],
  [
    'minVersion: SSLv3',
    ['listeners.web.tls.minVersion: one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3; "SSLv3" (text)'],
  ],
  [
    'minVersion: TLSv1.3, maxVersion: TLSv1.2',
    [
      'listeners.web.tls.minVersion: a version no newer than maxVersion; "TLSv1.3" (text) and "TLSv1.2" (text)',
    ],
  ],
  [
    'profile: modern, maxVersion: TLSv1.2',
    [
      'listeners.web.tls.maxVersion: TLSv1.3, or a minVersion beside it: profile modern begins there; "TLSv1.2" (text)',
    ],
  ],
  ['ciphers: HIGH', ['listeners.web.tls.ciphers: a list of ciphers; "HIGH" (text)']],
  [
    'ciphers: ["HIGH:!aNULL"]',
    [
      'listeners.web.tls.ciphers[0]: the name of a cipher, such as ECDHE-ECDSA-AES128-GCM-SHA256; "HIGH:!aNULL" (text); name each cipher, without the operators of a cipher string',
    ],
  ],
  [
    'ciphers: [TLS_AES_128_GCM_SHA256]',
    [
      'listeners.web.tls.ciphers[0]: the name of a cipher, such as ECDHE-ECDSA-AES128-GCM-SHA256; "TLS_AES_128_GCM_SHA256" (text); it goes into cipherSuites',
    ],
  ],
  [
    'cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256]',
    [
      'listeners.web.tls.cipherSuites[0]: the name of a cipher, such as TLS_AES_128_GCM_SHA256; "ECDHE-RSA-AES128-GCM-SHA256" (text); those of TLS 1.2 and before go into ciphers',
    ],
  ],
  [
    'ciphers: [ECDHE-RSA-AES128-GCM-SHA265]',
    [
      'listeners.web.tls.ciphers[0]: the name of a cipher, such as ECDHE-ECDSA-AES128-GCM-SHA256; "ECDHE-RSA-AES128-GCM-SHA265" (text); did you mean ECDHE-RSA-AES128-GCM-SHA256?',
    ],
  ],
  ['ciphers: []', ['listeners.web.tls.ciphers: at least one cipher; an empty list']],
  [
    'curves: [P-257]',
    [
      'listeners.web.tls.curves[0]: one of X25519, X448, P-256, P-384, P-521, prime256v1, secp384r1, secp521r1; "P-257" (text); did you mean P-256?',
    ],
  ],
  ['curves: []', ['listeners.web.tls.curves: at least one curve; an empty list']],
  ['unknownName: drop', ['listeners.web.tls.unknownName: default or reject; "drop" (text)']],
  ['sessionTickets: "no"', ['listeners.web.tls.sessionTickets: true or false; "no" (text)']],
  [
    'sessionLifetime: 8d',
    [
      'listeners.web.tls.sessionLifetime: a duration such as 30s or 500ms; "8d" (text); the most is 7d',
    ],
  ],
  [
    'sessionLifetime: 0s',
    [
      'listeners.web.tls.sessionLifetime: a duration such as 30s or 500ms; "0s" (text); the least is 1000ms',
    ],
  ],
  [
    'alpn: [h2]',
    [
      'listeners.web.tls.alpn: one of the keys certificates, profile, minVersion, maxVersion, ciphers, cipherSuites, curves, kernelTls, unknownName, sessionTickets, sessionLifetime, clientCertificates; the unknown key "alpn"',
    ],
  ],
  [
    'clientCertificates: { mode: require }',
    [
      'listeners.web.tls.clientCertificates.ca: the name of a PEM file with the CAs of clients; nothing',
    ],
  ],
  [
    'clientCertificates: true',
    ['listeners.web.tls.clientCertificates: a map of keys and values; true (boolean)'],
  ],
]);

describeTable('a certificate', certificate, [
  [
    'site.pem',
    ['listeners.web.tls.certificates[0]: a map with cert and key, or with acme; "site.pem" (text)'],
  ],
  [
    '{ cert: site.pem }',
    ['listeners.web.tls.certificates[0].key: the name of a PEM file with the private key; nothing'],
  ],
  [
    '{ cert: "", key: a }',
    [
      'listeners.web.tls.certificates[0].cert: the name of a PEM file with the certificate and its chain; "" (text)',
    ],
  ],
  [
    '{ cert: "-----BEGIN CERTIFICATE-----", key: a }',
    [
      'listeners.web.tls.certificates[0].cert: the name of a PEM file with the certificate and its chain; PEM text, which is not shown here; put the PEM text into a file and name that',
    ],
  ],
  [
    '{ cert: a, key: "-----BEGIN PRIVATE KEY----- MIIsecret" }',
    [
      'listeners.web.tls.certificates[0].key: the name of a PEM file with the private key; PEM text, which is not shown here; put the PEM text into a file and name that',
    ],
  ],
  [
    '{ cert: a, key: b, chain: c }',
    [
      'listeners.web.tls.certificates[0].chain: one of the keys cert, key, ocsp; the unknown key "chain"',
    ],
  ],
  [
    '{ cert: a, key: b, acme: [a.test] }',
    [
      'listeners.web.tls.certificates[0].acme: one of the keys cert, key, ocsp; the unknown key "acme"',
    ],
  ],
  [
    '{ acme: example.com }',
    ['listeners.web.tls.certificates[0].acme: a list of host names; "example.com" (text)'],
  ],
  [
    '{ acme: [] }',
    ['listeners.web.tls.certificates[0].acme: at least one host name; an empty list'],
  ],
  [
    '{ acme: ["*.example.com"] }',
    [
      'listeners.web.tls.certificates[0].acme: acme at the top of the configuration, which says how; none; add acme: { agreeToTerms: true }',
      'listeners.web.tls.certificates[0].acme[0]: a host name such as example.com; "*.example.com" (text); a wildcard needs the DNS challenge, which is not supported: name hosts',
    ],
  ],
  [
    '{ acme: [localhost] }',
    [
      'listeners.web.tls.certificates[0].acme: acme at the top of the configuration, which says how; none; add acme: { agreeToTerms: true }',
      'listeners.web.tls.certificates[0].acme[0]: a host name such as example.com; "localhost" (text)',
    ],
  ],
  [
    '{ acme: ["10.0.0.1"] }',
    [
      'listeners.web.tls.certificates[0].acme: acme at the top of the configuration, which says how; none; add acme: { agreeToTerms: true }',
      'listeners.web.tls.certificates[0].acme[0]: a host name such as example.com; "10.0.0.1" (text)',
    ],
  ],
]);

describeTable('clientCertificates', clients, [
  [
    'mode: optional',
    [
      'listeners.web.tls.clientCertificates.mode: request or require; "optional" (text); did you mean request?',
    ],
  ],
  [
    'crl: ""',
    [
      'listeners.web.tls.clientCertificates.crl: the name of a PEM file with certificate revocation lists; "" (text)',
    ],
  ],
  [
    'headers: { serial: X-A, name: X-B }',
    [
      'listeners.web.tls.clientCertificates.headers.name: a map from verified, subject, issuer, serial, fingerprint, names, notBefore, notAfter, certificate to header names; a map of serial, name',
    ],
  ],
  [
    'headers: { subject: "X A" }',
    [
      'listeners.web.tls.clientCertificates.headers.subject: the name of a header, such as X-Frame-Options; "X A" (text); letters, digits and !#$%&\'*+-.^_`|~ only',
    ],
  ],
  [
    'headers: { subject: X-A, issuer: x-a }',
    [
      'listeners.web.tls.clientCertificates.headers.issuer: a header of its own; "x-a" (text); subject has it already',
    ],
  ],
  [
    'headers: { subject: Host }',
    [
      'listeners.web.tls.clientCertificates.headers.subject: a header that may be edited; "Host" (text); use hostHeader of the route or the pool',
    ],
  ],
  [
    'headers: [X-A]',
    [
      'listeners.web.tls.clientCertificates.headers: a map from verified, subject, issuer, serial, fingerprint, names, notBefore, notAfter, certificate to header names; a list of 1',
    ],
  ],
]);

describeTable('a route by client certificate', asked, [
  [
    'true',
    ['listeners.web.routes[0].match.clientCertificate: a map of keys and values; true (boolean)'],
  ],
  [
    '{ commonName: "" }',
    ['listeners.web.routes[0].match.clientCertificate.commonName: a common name; "" (text)'],
  ],
  [
    '{ fingerprint: abc }',
    [
      'listeners.web.routes[0].match.clientCertificate.fingerprint: the SHA-256 fingerprint of a certificate: 64 hexadecimal digits; "abc" (text)',
    ],
  ],
  [
    '{ verified: false, commonName: a }',
    [
      'listeners.web.routes[0].match.clientCertificate: verified: true beside commonName and fingerprint; a map of verified, commonName, fingerprint',
    ],
  ],
  [
    '{ verified: yes }',
    ['listeners.web.routes[0].match.clientCertificate.verified: true or false; "yes" (text)'],
  ],
]);

describeTable('tls of a pool', upstream, [
  ['false', ['pools.p.tls: true, or a map such as { ca: ca.pem }; false (boolean)']],
  ['{ verify: "no" }', ['pools.p.tls.verify: true or false; "no" (text)']],
  ['{ ca: "" }', ['pools.p.tls.ca: the name of a PEM file with CAs; "" (text)']],
  [
    '{ serverName: "*.a.test" }',
    ['pools.p.tls.serverName: a host name such as example.com; "*.a.test" (text)'],
  ],
  [
    '{ serverName: 10.0.0.1 }',
    ['pools.p.tls.serverName: a host name such as example.com; "10.0.0.1" (text)'],
  ],
  [
    '{ certificate: { cert: a } }',
    ['pools.p.tls.certificate.key: the name of a PEM file with the private key; nothing'],
  ],
  ['{ fingerprints: abc }', ['pools.p.tls.fingerprints: a list of fingerprints; "abc" (text)']],
  [
    '{ fingerprints: ["00:11"] }',
    [
      'pools.p.tls.fingerprints[0]: the SHA-256 fingerprint of a certificate: 64 hexadecimal digits; "00:11" (text)',
    ],
  ],
  [
    '{ sni: a.test }',
    [
      'pools.p.tls.sni: one of the keys verify, ca, crl, serverName, certificate, fingerprints, profile, minVersion, maxVersion, ciphers, cipherSuites, curves, kernelTls; the unknown key "sni"',
    ],
  ],
  [
    '{ minVersion: TLSv1.3, maxVersion: TLSv1.2 }',
    [
      'pools.p.tls.minVersion: a version no newer than maxVersion; "TLSv1.3" (text) and "TLSv1.2" (text)',
    ],
  ],
]);

describeTable('a pool over TLS', pool, [
  [
    '{ targets: ["https://a.test/x"] }',
    [
      'pools.p.targets[0]: a target\'s address, such as 127.0.0.1:3000, [::1]:3000, app.internal:3000 or unix:/run/app.sock; "https://a.test/x" (text); a target is an address alone; put /x into addPrefix of the route',
    ],
  ],
  [
    '{ targets: ["tls://a.test"] }',
    [
      'pools.p.targets[0]: a target\'s address, such as 127.0.0.1:3000, [::1]:3000, app.internal:3000 or unix:/run/app.sock; "tls://a.test" (text); add a port: a.test:8080',
    ],
  ],
  [
    '{ targets: ["unix:/a"], tls: true }',
    [
      'pools.p.targets[0]: tls.serverName for a unix socket: it has no name to find in a certificate; "unix:/a" (text)',
    ],
  ],
  [
    '{ targets: ["https://a.test:0"] }',
    [
      'pools.p.targets[0]: a target\'s address, such as 127.0.0.1:3000, [::1]:3000, app.internal:3000 or unix:/run/app.sock; "https://a.test:0" (text); ports go from 1 to 65535',
    ],
  ],
  [
    '{ targets: ["127.0.0.1:1"], proxyProtocol: v3 }',
    ['pools.p.proxyProtocol: one of off, v1, v2; "v3" (text); did you mean v1?'],
  ],
  [
    '{ targets: ["https://u:p@a.test"] }',
    [
      'pools.p.targets[0]: a target\'s address, such as 127.0.0.1:3000, [::1]:3000, app.internal:3000 or unix:/run/app.sock; "https://***@a.test" (text); user and password cannot be given here; set an Authorization header with requestHeaders',
    ],
  ],
]);

describeTable('acme', acme, [
  [
    'agreeToTerms: true, challenge: tls-alpn-01, directory: letsencript',
    [
      'acme.directory: letsencrypt, letsencrypt-staging, or the https:// address of a directory; "letsencript" (text); did you mean letsencrypt?',
    ],
  ],
  [
    'agreeToTerms: true, challenge: tls-alpn-01, directory: "http://ca.test/"',
    [
      'acme.directory: letsencrypt, letsencrypt-staging, or the https:// address of a directory; "http://ca.test/" (text)',
    ],
  ],
  [
    'agreeToTerms: true, challenge: tls-alpn-01, email: me',
    ['acme.email: an e-mail address; "me" (text)'],
  ],
  [
    'agreeToTerms: true, challenge: dns-01',
    ['acme.challenge: http-01 or tls-alpn-01; "dns-01" (text); the DNS challenge is not supported'],
  ],
  [
    'agreeToTerms: true, challenge: http-01',
    [
      'listeners.web.tls.certificates[0].acme: an http listener, on which the http-01 challenge is answered; none; add one, such as redirect: { address: ":80", protocol: http, redirectToHttps: true }, or set acme.challenge: tls-alpn-01',
    ],
  ],
  [
    'agreeToTerms: true, challenge: tls-alpn-01, renewBefore: 400d',
    ['acme.renewBefore: a duration such as 30s or 500ms; "400d" (text); the most is 365d'],
  ],
  [
    'agreeToTerms: true, challenge: tls-alpn-01, storage: ""',
    ['acme.storage: the name of a folder; "" (text)'],
  ],
  [
    'agreeToTerms: false, challenge: tls-alpn-01',
    [
      'acme.agreeToTerms: true: you agree to the terms of service of who issues them; false (boolean)',
    ],
  ],
  [
    'challenge: tls-alpn-01, directory: letsencrypt-staging',
    ['acme.agreeToTerms: true: you agree to the terms of service of who issues them; nothing'],
  ],
  [
    'agreeToTerms: true, challenge: tls-alpn-01, wildcard: true',
    [
      'acme.wildcard: one of the keys directory, agreeToTerms, email, storage, challenge, renewBefore, ca; the unknown key "wildcard"',
    ],
  ],
]);

describeTable('a tcp listener with TLS', tcp, [
  ['routes: []', ['listeners.web.routes: at least one route; an empty list']],
  [
    'routes: [{ pool: q }]',
    ['listeners.web.routes[0].pool: the name of a pool; "q" (text); did you mean p?'],
  ],
  [
    'routes: [{ match: { host: a.test }, pool: p }]',
    [
      'listeners.web.routes[0].match.host: one of the keys serverName, alpn; the unknown key "host"',
    ],
  ],
  [
    'routes: [{ match: { serverName: "a.*.test" }, pool: p }]',
    [
      'listeners.web.routes[0].match.serverName: a host such as example.com or *.example.com; "a.*.test" (text); a * may only stand for the first labels: *.example.com',
    ],
  ],
  [
    'routes: [{ match: { alpn: [] }, pool: p }]',
    ['listeners.web.routes[0].match.alpn: at least one protocol; an empty list'],
  ],
  [
    'routes: [{ match: { alpn: ["h 2"] }, pool: p }]',
    [
      'listeners.web.routes[0].match.alpn[0]: the name of a protocol (ALPN), such as h2; "h 2" (text)',
    ],
  ],
  [
    'routes: [{ match: { serverName: a.test } }]',
    ['listeners.web.routes[0].pool: the name of a pool; nothing'],
  ],
  ['pool: p, tls: true', ['listeners.web.tls: a map of keys and values; true (boolean)']],
  [
    'pool: p, proxyProtocol: required',
    [
      'listeners.web.proxyProtocol: trustedProxies beside it: nobody else is believed; "required" (text); name the addresses of the proxies in front: trustedProxies: ["10.0.0.0/8"]',
    ],
  ],
  [
    'pool: p, proxyProtocol: v2, trustedProxies: ["10.0.0.1"]',
    [
      'listeners.web.proxyProtocol: one of off, optional, required; "v2" (text); the version is not chosen here: required, or optional',
    ],
  ],
  [
    'pool: p, proxyProtocol: yes',
    ['listeners.web.proxyProtocol: one of off, optional, required; "yes" (text)'],
  ],
  [
    'pool: p, tls: { certificates: [{ cert: a, key: b }], alpn: h2 }',
    ['listeners.web.tls.alpn: a list of protocols; "h2" (text)'],
  ],
]);

describeTable('what spans several keys', (text) => `${POOLS}\n${text}`, [
  [
    'listeners: { web: { address: ":0", protocol: http, pool: p, redirectToHttps: true } }',
    ['listeners.web: exactly one of routes, pool and redirectToHttps; pool and redirectToHttps'],
  ],
  [
    'listeners: { web: { address: ":0", protocol: http, redirectToHttps: 0 } }',
    ['listeners.web.redirectToHttps: a whole number from 1 to 65,535; 0 (number)'],
  ],
  [
    'listeners: { web: { address: ":0", protocol: http, pool: p, tls: {} } }',
    [
      'listeners.web.tls: one of the keys address, routes, pool, forwarded, trustedProxies, proxyProtocol, timeouts, limits, maxConnections, splice, accessLog, protocol, redirectToHttps; the unknown key "tls"',
    ],
  ],
  [
    'listeners: { web: { address: ":0", protocol: tls, pool: p } }',
    [
      'listeners.web.protocol: one of http, https, tcp, udp, forward; "tls" (text); tcp with tls ends TLS, tcp with routes or a pool alone passes it through',
    ],
  ],
  [
    'listeners: { web: { address: ":0", protocol: https, pool: p, tls: { certificates: [{ acme: [a.test] }] } } }',
    [
      'listeners.web.tls.certificates[0].acme: acme at the top of the configuration, which says how; none; add acme: { agreeToTerms: true }',
    ],
  ],
  [
    'listeners: { web: { address: ":0", protocol: http, routes: [{ match: { clientCertificate: {} }, pool: p }] } }',
    [
      'listeners.web.routes[0].match.clientCertificate: a listener that asks clients for certificates; http has no TLS',
    ],
  ],
  [
    'listeners: { web: { address: ":0", protocol: https, tls: { certificates: [{ cert: a, key: b }] }, routes: [{ match: { clientCertificate: {} }, pool: p }] } }',
    [
      'listeners.web.routes[0].match.clientCertificate: a listener that asks clients for certificates; tls.clientCertificates asks for none',
    ],
  ],
  [
    'listeners: { web: { address: ":0", protocol: http, pool: p, proxyProtocol: optional } }',
    [
      'listeners.web.proxyProtocol: trustedProxies beside it: nobody else is believed; "optional" (text); name the addresses of the proxies in front: trustedProxies: ["10.0.0.0/8"]',
    ],
  ],
]);

describeTable('a pool that a udp listener uses', udpPool, [
  [
    'targets: ["tls://a.test:1"]',
    [
      'pools.p.targets[0]: an IP address and port: the udp listener web uses this pool; "tls://a.test:1" (text)',
    ],
  ],
  [
    'targets: ["a.test:1"], tls: true',
    ['pools.p.tls: no tls: the udp listener web uses this pool; true (boolean)'],
  ],
  [
    'targets: ["a.test:1"], proxyProtocol: v1',
    [
      'pools.p.proxyProtocol: v2 or off: version 1 knows no datagrams, and the udp listener web uses this pool; "v1" (text)',
    ],
  ],
]);
