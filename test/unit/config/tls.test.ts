import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serverTlsOf } from '../../../src/config/config.ts';
import { parseConfig } from '../../../src/config/parse.ts';

const PAIR = { cert: 'site.pem', key: 'keys/site.key' };
const pools = { p: { targets: ['127.0.0.1:1'] } };

function parse(listener: object, rest: object = {}) {
  return parseConfig(
    { listeners: { web: { address: ':0', ...listener } }, pools, ...rest },
    { baseFolder: '/etc/sluice' },
  );
}

describe('TLS of a listener', () => {
  it('has every default filled in, and file names relative to the configuration', () => {
    const config = parse({ protocol: 'https', pool: 'p', tls: { certificates: [PAIR] } });
    const { web } = config.listeners;
    assert.equal(web?.protocol, 'https');
    assert.deepEqual(serverTlsOf(web!), {
      certificates: [
        { cert: '/etc/sluice/site.pem', key: '/etc/sluice/keys/site.key', ocsp: null },
      ],
      profile: 'intermediate',
      minVersion: null,
      maxVersion: null,
      ciphers: null,
      cipherSuites: null,
      curves: null,
      kernelTls: 'auto',
      unknownName: 'default',
      sessionTickets: true,
      sessionLifetime: 12 * 3_600_000,
      clientCertificates: null,
    });
    assert.equal(web?.protocol === 'https' && web.hsts, null);
  });

  it('takes ciphers and curves by the names that people know', () => {
    const config = parse({
      protocol: 'https',
      pool: 'p',
      tls: {
        certificates: [PAIR],
        ciphers: ['ecdhe-rsa-aes128-gcm-sha256'],
        cipherSuites: ['TLS_CHACHA20_POLY1305_SHA256'],
        curves: ['x25519', 'secp384r1'],
      },
    });
    const tls = serverTlsOf(config.listeners.web!);
    assert.deepEqual(tls?.ciphers, ['ECDHE-RSA-AES128-GCM-SHA256']);
    assert.deepEqual(tls?.cipherSuites, ['TLS_CHACHA20_POLY1305_SHA256']);
    assert.deepEqual(tls?.curves, ['X25519', 'P-384']);
  });

  it('knows hsts as true, false and a map', () => {
    const hstsOf = (hsts: unknown) => {
      const config = parse({ protocol: 'https', pool: 'p', tls: { certificates: [PAIR] }, hsts });
      const { web } = config.listeners;
      return web?.protocol === 'https' ? web.hsts : undefined;
    };
    const year = 365 * 86_400_000;
    assert.equal(hstsOf(false), null);
    assert.deepEqual(hstsOf(true), { maxAge: year, includeSubDomains: false, preload: false });
    assert.deepEqual(hstsOf({ maxAge: '730d', includeSubDomains: true }), {
      maxAge: 2 * year,
      includeSubDomains: true,
      preload: false,
    });
  });

  it('asks for client certificates, whose fields get headers', () => {
    const config = parse({
      protocol: 'https',
      routes: [
        { match: { clientCertificate: { commonName: 'jane' } }, pool: 'p' },
        { match: { clientCertificate: { fingerprint: 'AB:'.repeat(31).concat('CD') } }, pool: 'p' },
      ],
      tls: {
        certificates: [PAIR],
        clientCertificates: { ca: 'ca.pem', headers: { subject: 'X-Subject' } },
      },
    });
    assert.deepEqual(serverTlsOf(config.listeners.web!)?.clientCertificates, {
      mode: 'require',
      ca: '/etc/sluice/ca.pem',
      crl: null,
      headers: { subject: 'X-Subject' },
    });
    const { web } = config.listeners;
    const routes = web?.protocol === 'https' ? web.routes : null;
    assert.deepEqual(routes?.[0]?.match.clientCertificate, {
      verified: true,
      commonName: 'jane',
      fingerprint: null,
    });
    assert.equal(routes?.[1]?.match.clientCertificate?.fingerprint, `${'ab'.repeat(31)}cd`);
  });

  it('is ended by tcp listeners too, which route by name and protocol', () => {
    const config = parse({
      protocol: 'tcp',
      tls: { certificates: [PAIR], alpn: ['postgresql'] },
      routes: [{ match: { serverName: '*.Example.com', alpn: ['h2'] }, pool: 'p' }],
    });
    const { web } = config.listeners;
    assert.ok(web?.protocol === 'tcp');
    assert.deepEqual(web.tls?.alpn, ['postgresql']);
    assert.deepEqual(web.routes, [
      { match: { serverName: { kind: 'suffix', value: '.example.com' }, alpn: ['h2'] }, pool: 'p' },
    ]);
  });
});

describe('an http listener', () => {
  it('redirects to https instead of having routes', () => {
    const redirectOf = (redirectToHttps: unknown) => {
      const { web } = parse({ protocol: 'http', redirectToHttps }).listeners;
      return web?.protocol === 'http' ? web.redirectToHttps : undefined;
    };
    assert.equal(redirectOf(true), 443);
    assert.equal(redirectOf(8443), 8443);
  });
});

describe('TLS of a pool', () => {
  const upstream = (pool: object) =>
    parseConfig({
      listeners: { web: { address: ':0', protocol: 'http', pool: 'p' } },
      pools: { p: pool },
    }).pools.p;

  it('is in the scheme of a target, with the port that it has by itself', () => {
    const pool = upstream({ targets: ['https://App.test', 'tls://db.test:5433', 'http://a.test'] });
    assert.deepEqual(
      pool?.targets.map(({ address }) => [address.text, address.isTls === true]),
      [
        ['app.test:443', true],
        ['db.test:5433', true],
        ['a.test:80', false],
      ],
    );
    assert.equal(pool?.tls, null);
  });

  it('verifies unless it is told not to', () => {
    assert.deepEqual(upstream({ targets: ['a.test:1'], tls: true })?.tls, {
      verify: true,
      ca: null,
      crl: null,
      serverName: null,
      certificate: null,
      fingerprints: [],
      profile: 'intermediate',
      minVersion: null,
      maxVersion: null,
      ciphers: null,
      cipherSuites: null,
      curves: null,
      kernelTls: 'auto',
    });
  });
});

describe('ACME', () => {
  it('goes to Let’s Encrypt and answers http-01 where nothing else is said', () => {
    const config = parseConfig(
      {
        listeners: {
          plain: { address: ':0', protocol: 'http', redirectToHttps: true },
          web: {
            address: ':0',
            protocol: 'https',
            pool: 'p',
            tls: { certificates: [{ acme: ['Example.com', 'www.example.com'] }] },
          },
        },
        pools,
        acme: { agreeToTerms: true },
      },
      { baseFolder: '/etc/sluice' },
    );
    assert.deepEqual(config.acme, {
      directory: 'https://acme-v02.api.letsencrypt.org/directory',
      agreeToTerms: true,
      email: null,
      storage: '/etc/sluice/sluice-acme',
      challenge: 'http-01',
      renewBefore: 30 * 86_400_000,
      ca: null,
    });
    assert.deepEqual(serverTlsOf(config.listeners.web!)?.certificates, [
      { acme: ['example.com', 'www.example.com'] },
    ]);
  });
});
