import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '../../../src/config/parse.ts';
import { Secret } from '../../../src/contract/secret.ts';
import { compile } from '../../../src/plan/compile.ts';
import {
  bundleKey,
  type Credentials,
  certificateKey,
  credentialsToLoad,
  type LoadedCertificate,
  NO_CREDENTIALS,
} from '../../../src/plan/credentials.ts';
import { encodePlan } from '../../../src/plan/encode.ts';
import { listCertificates } from '../../../src/plan/listed-certificates.ts';
import type { Plan } from '../../../src/plan/plan.ts';
import { compileTerms } from '../../../src/plan/tls-profiles.ts';

function certificate(name: string, keyType: string, ...hosts: string[]): LoadedCertificate {
  return {
    ...{ name, hosts, keyType, chain: `chain of ${name}`, key: new Secret(`key of ${name}`) },
    ...{ ocsp: new Uint8Array(0), notBeforeMs: 1, notAfterMs: 2 },
  };
}

const written = (name: string) => ({ cert: `/${name}.pem`, key: `/${name}.key` });
const keyOf = (name: string) => certificateKey({ ...written(name), ocsp: null });

function credentialsOf(
  certificates: readonly LoadedCertificate[],
  more: Partial<Credentials> = {},
): Credentials {
  return {
    ...NO_CREDENTIALS,
    certificates: new Map(certificates.map((one) => [keyOf(one.name), one])),
    ...more,
  };
}

/** An https listener with these certificates, in their order. */
function planOf(
  certificates: readonly LoadedCertificate[],
  { tls = {}, listener = {}, more = {} as Partial<Credentials> } = {},
): Plan {
  const config = parseConfig({
    listeners: {
      web: {
        ...{ address: ':0', protocol: 'https', pool: 'p', ...listener },
        tls: { certificates: certificates.map(({ name }) => written(name)), ...tls },
      },
    },
    pools: { p: { targets: ['127.0.0.1:1'] } },
  });
  return compile(config, new Map(), 1, credentialsOf(certificates, more));
}

/** What a name is served with: the names of certificates; null where it is unknown. */
function servedWith(plan: Plan, name: string): readonly string[] | null {
  const tls = plan.serverTls[0]!;
  const found = tls.names.find((one) => one.name === name);
  return found === undefined
    ? null
    : tls.identities[found.identity]!.map((i) => tls.certificates[i]!.name);
}

describe('which certificate serves which name', () => {
  it('is one of each type of key, in the order of the configuration', () => {
    const plan = planOf([
      certificate('ec', 'ec', 'a.test', 'b.test'),
      certificate('rsa', 'rsa', 'a.test'),
      certificate('late', 'ec', 'a.test', 'c.test'),
    ]);
    assert.deepEqual(servedWith(plan, 'a.test'), ['ec', 'rsa']);
    assert.deepEqual(servedWith(plan, 'b.test'), ['ec']);
    assert.deepEqual(servedWith(plan, 'c.test'), ['late']);
    assert.equal(servedWith(plan, 'd.test'), null);
  });

  it('is what the first name of the first certificate is served with, where no name is known', () => {
    const both = planOf([
      certificate('rsa', 'rsa', 'a.test'),
      certificate('other', 'ec', 'b.test'),
      certificate('ec', 'ec', 'a.test'),
    ]);
    assert.deepEqual(both.serverTls[0]?.identities[0], [0, 2]);
    const bare = planOf([certificate('bare', 'ec'), certificate('other', 'rsa', 'a.test')]);
    assert.deepEqual(bare.serverTls[0]?.identities[0], [0]);
    assert.deepEqual(servedWith(bare, 'a.test'), ['other']);
  });

  it('keeps wildcards as names of their own', () => {
    const plan = planOf([
      certificate('wild', 'ec', '*.a.test', 'a.test'),
      certificate('exact', 'ec', 'www.a.test'),
    ]);
    assert.deepEqual(servedWith(plan, '*.a.test'), ['wild']);
    assert.deepEqual(servedWith(plan, 'www.a.test'), ['exact']);
    assert.equal(plan.serverTls[0]?.names.length, 3);
  });

  it('has every set of certificates once', () => {
    const hosts = Array.from({ length: 50 }, (_, i) => `${i}.test`);
    const plan = planOf([certificate('one', 'ec', ...hosts), certificate('two', 'rsa', ...hosts)]);
    assert.deepEqual(plan.serverTls[0]?.identities, [[0, 1]]);
    assert.equal(plan.serverTls[0]?.names.length, 50);
  });

  it('has certificates of challenges apart from the others', () => {
    const tlsChallenges = new Map([['a.test', certificate('challenge', 'ec', 'a.test')]]);
    const plan = planOf([certificate('one', 'ec', 'a.test')], { more: { tlsChallenges } });
    const tls = plan.serverTls[0]!;
    assert.deepEqual(servedWith(plan, 'a.test'), ['one']);
    assert.deepEqual(tls.challenges, [{ name: 'a.test', identity: 1 }]);
    assert.equal(tls.certificates[tls.identities[1]![0]!]?.name, 'challenge');
  });
});

describe('a plan with TLS', () => {
  const one = certificate('one', 'ec', 'a.test');

  it('agrees on HTTP/1.1 for https, and on what a tcp listener says', () => {
    assert.deepEqual(planOf([one]).serverTls[0]?.alpn, ['http/1.1']);
    const listener = { protocol: 'tcp' };
    assert.deepEqual(planOf([one], { listener }).serverTls[0]?.alpn, []);
    const tls = { alpn: ['h2', 'http/1.1'] };
    assert.deepEqual(planOf([one], { listener, tls }).serverTls[0]?.alpn, ['h2', 'http/1.1']);
  });

  it('asks for client certificates with what is in the bundles', () => {
    const clientCertificates = {
      mode: 'request',
      ca: '/bundle',
      crl: '/bundle',
      headers: { verified: 'X-Verified', subject: 'X-Subject' },
    };
    const bundles = new Map([
      ['/bundle', 'CAs'],
      [bundleKey('crl', '/bundle'), 'lists'],
    ]);
    const plan = planOf([one], { tls: { clientCertificates }, more: { bundles } });
    assert.deepEqual(plan.serverTls[0]?.clientCertificates, {
      mode: 'request',
      ca: 'CAs',
      crl: 'lists',
      headers: [
        { field: 'verified', name: 'X-Verified' },
        { field: 'subject', name: 'X-Subject' },
      ],
    });
    assert.equal(planOf([one]).serverTls[0]?.clientCertificates.mode, 'off');
  });

  it('adds Strict-Transport-Security to every route', () => {
    const editsOf = (hsts: unknown) =>
      planOf([one], { listener: { hsts } }).routes[0]?.responseEdits.map(({ value }) => value);
    assert.deepEqual(editsOf(false), []);
    assert.deepEqual(editsOf(true), ['max-age=31536000']);
    assert.deepEqual(editsOf({ maxAge: '1d', includeSubDomains: true, preload: true }), [
      'max-age=86400; includeSubDomains; preload',
    ]);
  });

  it('never carries a key where it can be seen', () => {
    const plan = planOf([one]);
    assert.ok(!JSON.stringify(plan).includes('key of one'));
    assert.ok(Buffer.from(encodePlan(plan)).includes('key of one'));
  });

  it('lists what listeners show', () => {
    const config = parseConfig({
      listeners: {
        web: {
          address: ':0',
          protocol: 'https',
          pool: 'p',
          tls: { certificates: [written('one'), written('two')] },
        },
        db: { address: ':0', protocol: 'tcp', pool: 'p', tls: { certificates: [written('one')] } },
      },
      pools: { p: { targets: ['127.0.0.1:1'], tls: { certificate: written('client') } } },
    });
    const two = certificate('two', 'rsa');
    const listed = listCertificates(config, credentialsOf([one, two, certificate('client', 'ec')]));
    assert.deepEqual(listed, [
      { listener: 'web', name: 'one', hosts: ['a.test'], notAfterMs: 2, keyType: 'ec' },
      { listener: 'web', name: 'two', hosts: [], notAfterMs: 2, keyType: 'rsa' },
      { listener: 'db', name: 'one', hosts: ['a.test'], notAfterMs: 2, keyType: 'ec' },
    ]);
  });

  it('needs every file once, wherever it is named', () => {
    const config = parseConfig({
      listeners: {
        a: { address: ':0', protocol: 'https', pool: 'p', tls: { certificates: [written('one')] } },
        b: { address: ':0', protocol: 'https', pool: 'p', tls: { certificates: [written('one')] } },
      },
      pools: {
        p: { targets: ['https://a.test'] },
        q: { targets: ['b.test:1'], tls: { verify: false } },
        r: { targets: ['c.test:1'] },
      },
    });
    const needed = credentialsToLoad(config);
    assert.deepEqual(
      needed.certificates.map(({ path, isServer }) => [path, isServer]),
      [['listeners.a.tls.certificates[0]', true]],
    );
    assert.deepEqual(needed.bundles, [{ path: 'pools.p.tls.ca', kind: 'ca', file: 'system' }]);
  });
});

describe('TLS to targets', () => {
  function upstream(pool: object, credentials: Partial<Credentials> = {}): Plan {
    const config = parseConfig({
      listeners: { web: { address: ':0', protocol: 'http', pool: 'p' } },
      pools: { p: pool },
    });
    const bundles = new Map([['system', 'system CAs']]);
    const resolved = new Map(
      ['app.test:443', 'app.test:80'].map((name) => [
        name,
        [{ family: 'ipv4' as const, host: '10.0.0.1', port: Number(name.split(':')[1]) }],
      ]),
    );
    return compile(config, resolved, 1, { ...NO_CREDENTIALS, bundles, ...credentials });
  }

  it('is spoken where a target is https://, and asks for its name', () => {
    const plan = upstream({ targets: ['https://App.test', 'http://app.test', 'https://10.0.0.9'] });
    assert.deepEqual(
      plan.targets.map(({ clientTls, serverName, authority }) => [
        clientTls,
        serverName,
        authority,
      ]),
      [
        [0, 'app.test', 'app.test'],
        [null, 'app.test', 'app.test'],
        [0, '10.0.0.9', '10.0.0.9'],
      ],
    );
    const [tls] = plan.clientTls;
    assert.ok(tls?.verify);
    assert.equal(tls.ca, 'system CAs');
    assert.equal(tls.certificate, null);
  });

  it('is spoken to all targets of a pool that says how', () => {
    const fingerprints = ['ab'.repeat(32)];
    const tls = {
      verify: false,
      serverName: 'Inner.test',
      fingerprints,
      certificate: written('c'),
    };
    const credentials = credentialsOf([certificate('c', 'ec')]);
    const plan = upstream({ targets: ['10.0.0.9:1', 'https://10.0.0.9'], tls }, credentials);
    assert.deepEqual(
      plan.targets.map(({ clientTls, serverName }) => [clientTls, serverName]),
      [
        [0, 'inner.test'],
        [0, 'inner.test'],
      ],
    );
    const [client] = plan.clientTls;
    assert.equal(client?.ca, '');
    assert.equal(client?.certificate?.name, 'c');
    assert.deepEqual(client?.fingerprints, fingerprints);
  });

  it('keeps no connection whose PROXY header speaks for one client', () => {
    assert.equal(upstream({ targets: ['10.0.0.9:1'] }).pools[0]?.maxIdle, 256);
    assert.equal(upstream({ targets: ['10.0.0.9:1'], proxyProtocol: 'v2' }).pools[0]?.maxIdle, 0);
  });
});

describe('profiles', () => {
  const terms = (more: Partial<Parameters<typeof compileTerms>[0]> = {}) =>
    compileTerms({
      ...{ profile: 'intermediate', minVersion: null, maxVersion: null },
      ...{ ciphers: null, cipherSuites: null, curves: null, kernelTls: 'auto', ...more },
    });

  it('say how old a version may be', () => {
    const versions = (['modern', 'intermediate', 'old'] as const).map((profile) => {
      const { minVersion, maxVersion } = terms({ profile });
      return [minVersion, maxVersion];
    });
    assert.deepEqual(versions, [
      [0x0304, 0x0304],
      [0x0303, 0x0304],
      [0x0301, 0x0304],
    ]);
  });

  it('offer nothing without forward secrecy or authenticated encryption, but old', () => {
    for (const name of terms().ciphers.split(':')) {
      assert.match(name, /^ECDHE-.*(GCM|POLY1305)/, name);
    }
    assert.ok(terms({ profile: 'old' }).ciphers.includes(':AES128-SHA:'));
    // OpenSSL signs with SHA-1, as TLS 1.0 and 1.1 do, at its lowest level only.
    assert.match(terms({ profile: 'old' }).ciphers, /:@SECLEVEL=0$/);
    assert.doesNotMatch(terms().ciphers, /SECLEVEL/);
  });

  it('give way to what is written', () => {
    assert.deepEqual(
      terms({
        minVersion: 'TLSv1.3',
        ciphers: ['ECDHE-RSA-AES128-GCM-SHA256'],
        cipherSuites: ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384'],
        curves: ['P-384', 'X25519'],
        kernelTls: 'off',
      }),
      {
        minVersion: 0x0304,
        maxVersion: 0x0304,
        ciphers: 'ECDHE-RSA-AES128-GCM-SHA256',
        cipherSuites: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384',
        curves: 'P-384:X25519',
        kernelTls: false,
      },
    );
    assert.equal(terms().kernelTls, true);
    const { minVersion, maxVersion } = terms({ maxVersion: 'TLSv1.1' });
    assert.deepEqual([minVersion, maxVersion], [0x0302, 0x0302]);
  });
});
