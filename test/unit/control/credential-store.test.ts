import assert from 'node:assert/strict';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Config } from '../../../src/config/config.ts';
import { parseConfig } from '../../../src/config/parse.ts';
import { Secret } from '../../../src/contract/secret.ts';
import type {
  CredentialSink,
  CredentialSource,
  SuppliedCredentials,
} from '../../../src/control/credential-source.ts';
import { NOTHING_SUPPLIED } from '../../../src/control/credential-source.ts';
import { type CredentialHooks, CredentialStore } from '../../../src/control/credential-store.ts';
import type { LoadedCertificate } from '../../../src/plan/credentials.ts';
import {
  type Authority,
  createAuthority,
  type Issued,
  temporaryFolder,
  writePair,
  writeText,
} from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';

const pools = { p: { targets: ['127.0.0.1:1'] } };
const NEVER_MS = 3_600_000;

function configOf(certificates: readonly object[], more: object = {}): Config {
  const tls = { certificates, ...more };
  return parseConfig({
    listeners: { web: { address: '127.0.0.1:0', protocol: 'https', pool: 'p', tls } },
    pools,
    acme: { agreeToTerms: true, challenge: 'tls-alpn-01' },
  });
}

/** A source whose moves are the test's. */
class FakeSource implements CredentialSource {
  readonly supplied: SuppliedCredentials;
  sink: CredentialSink | null = null;
  starts = 0;
  isClosed = false;

  constructor(supplied: SuppliedCredentials = NOTHING_SUPPLIED) {
    this.supplied = supplied;
  }
  start(sink: CredentialSink): void {
    this.sink = sink;
    this.starts++;
  }
  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

describe('the credential store', () => {
  let scope: Scope;
  let folder: string;
  let ca: Authority;
  let first: Issued;
  let pair: { readonly cert: string; readonly key: string };

  beforeEach(async () => {
    scope = new Scope();
    const alive = setInterval(() => {}, NEVER_MS);
    scope.defer(() => clearInterval(alive));
    folder = await temporaryFolder(scope);
    ca = await createAuthority();
    first = await ca.issue({ names: ['a.test'] });
    pair = await writePair(folder, first);
  });
  afterEach(() => scope.close());

  /** A started store and what it has said. */
  async function started(config: Config, onChange: (reason: string) => void = () => {}) {
    const store = await CredentialStore.open(config, { openSource: async () => new FakeSource() });
    scope.defer(() => store.close());
    const changes: string[] = [];
    const warnings: string[] = [];
    const waiting: (() => void)[] = [];
    const hooks: CredentialHooks = {
      onChange: async (reason) => {
        changes.push(reason.replaceAll(`${folder}/`, ''));
        for (const done of waiting.splice(0)) done();
        onChange(reason);
      },
      onWarning: (message) => {
        warnings.push(message.replaceAll(`${folder}/`, ''));
        for (const done of waiting.splice(0)) done();
      },
      onNote: () => {},
      pollMs: NEVER_MS,
      quietMs: 20,
    };
    store.start(hooks);
    const next = () => new Promise<void>((resolve) => void waiting.push(resolve));
    return { store, changes, warnings, next };
  }
  const chainOf = (store: CredentialStore) =>
    [...store.current.certificates.values()].map(({ chain }) => chain);

  it('has what the files hold, and refuses to open without', async () => {
    const store = await CredentialStore.open(configOf([pair]));
    assert.deepEqual(chainOf(store), [first.chainPem]);
    assert.deepEqual(store.warnings, []);
    await rm(pair.key);
    await assert.rejects(CredentialStore.open(configOf([pair])), { code: 'credentials_invalid' });
  });

  it('offers what was renewed, and names it', async () => {
    const { store, changes, warnings, next } = await started(configOf([pair]));
    const second = await ca.issue({ names: ['a.test'] });
    const fresh = await writePair(folder, second, 'fresh');
    const changed = next();
    await rename(fresh.key, pair.key);
    await rename(fresh.cert, pair.cert);
    await changed;
    assert.deepEqual(changes, ['certificates renewed: site.pem']);
    assert.deepEqual(chainOf(store), [second.chainPem]);
    assert.deepEqual(warnings, []);
  });

  it('keeps the old while a pair does not fit, tells so once, and takes the next that does', async () => {
    const { store, changes, warnings, next } = await started(configOf([pair]));
    const second = await ca.issue({ names: ['a.test'] });
    let happened = next();
    await writeFile(pair.cert, second.chainPem);
    await happened;
    assert.deepEqual(changes, []);
    assert.equal(warnings.length, 1);
    assert.match(
      warnings[0] ?? '',
      /^listeners\.web\.tls\.certificates\[0\]\.key: .*site\.key, which belongs to another certificate; what was loaded before stays in force$/,
    );
    assert.deepEqual(chainOf(store), [first.chainPem]);

    happened = next();
    await writeFile(pair.key, second.keyPem);
    await happened;
    assert.deepEqual(chainOf(store), [second.chainPem]);
    assert.equal(warnings.length, 1);
  });

  it('renews one pair while another is broken', async () => {
    const other = await writePair(folder, await ca.issue({ names: ['b.test'] }), 'other');
    const { store, changes, next } = await started(configOf([pair, other]));
    const second = await ca.issue({ names: ['a.test'] });
    const fresh = await writePair(folder, second, 'fresh');
    const happened = next();
    await writeFile(other.cert, 'half a certific');
    await rename(fresh.key, pair.key);
    await rename(fresh.cert, pair.cert);
    await happened;
    assert.deepEqual(changes, ['certificates renewed: site.pem']);
    assert.equal(chainOf(store)[0], second.chainPem);
  });

  it('follows bundles of CAs and revocation lists', async () => {
    const bundle = await writeText(folder, 'ca.pem', ca.certPem);
    const crl = await writeText(folder, 'ca.crl', await ca.crl());
    const config = configOf([pair], { clientCertificates: { ca: bundle, crl } });
    const { changes, next } = await started(config);
    const happened = next();
    await writeText(folder, 'ca.crl', await ca.crl([first]));
    await happened;
    assert.deepEqual(changes, ['certificates renewed: ca.crl']);
  });

  it('takes a change back that no plan could be made of', async () => {
    const { store, warnings, next } = await started(configOf([pair]), () => {
      throw new Error('the engine refuses it');
    });
    const fresh = await writePair(folder, await ca.issue(), 'fresh');
    await rename(fresh.key, pair.key);
    const changed = next();
    await rename(fresh.cert, pair.cert);
    await changed;
    while (warnings.length === 0) await next();
    assert.match(warnings.at(-1) ?? '', /^site\.pem cannot be used, .*: the engine refuses it$/);
    assert.deepEqual(chainOf(store), [first.chainPem]);
  });

  describe('with a source', () => {
    const acme = { acme: ['acme.test', 'www.acme.test'] };
    const KEY = 'acme acme.test www.acme.test';

    function loaded(issued: Issued): LoadedCertificate {
      return {
        name: KEY,
        chain: issued.chainPem,
        key: new Secret(issued.keyPem),
        ocsp: new Uint8Array(0),
        hosts: ['acme.test', 'www.acme.test'],
        keyType: 'ec',
        notBeforeMs: 0,
        notAfterMs: 1,
      };
    }
    const hooksOf = (onChange: () => Promise<void>, warnings: string[] = []): CredentialHooks => ({
      onChange,
      onWarning: (message) => warnings.push(message),
      onNote: () => {},
    });

    it('serves a placeholder, with a warning, until there is a certificate', async () => {
      const source = new FakeSource();
      const openSource = async () => source;
      const store = await CredentialStore.open(configOf([acme]), { openSource });
      scope.defer(() => store.close());
      const placeholder = store.current.certificates.get(KEY);
      assert.deepEqual(placeholder?.hosts, ['acme.test', 'www.acme.test']);
      assert.match(placeholder?.name ?? '', /^placeholder/);
      assert.match(store.warnings[0]?.message ?? '', /^no certificate for acme\.test, www\.acme/);

      let changes = 0;
      const warnings: string[] = [];
      store.start(hooksOf(async () => void changes++, warnings));
      await new Promise(setImmediate);
      source.sink?.warn('the directory is down');
      assert.deepEqual(warnings, ['the directory is down']);
      const certificates = new Map([[KEY, loaded(first)]]);
      const httpChallenges = new Map([['token', 'answer']]);
      await source.sink?.put({ ...NOTHING_SUPPLIED, certificates, httpChallenges }, 'obtained');
      assert.equal(changes, 1);
      assert.equal(store.current.certificates.get(KEY)?.chain, first.chainPem);
      assert.equal(store.current.httpChallenges.get('token'), 'answer');
    });

    it('serves what is stored from the start, without a warning', async () => {
      const certificates = new Map([[KEY, loaded(first)]]);
      const source = new FakeSource({ ...NOTHING_SUPPLIED, certificates });
      const openSource = async () => source;
      const store = await CredentialStore.open(configOf([acme]), { openSource });
      assert.deepEqual(store.warnings, []);
      assert.equal(store.current.certificates.get(KEY)?.chain, first.chainPem);
      await store.close();
      assert.ok(source.isClosed);
    });

    it('passes a refusal on, and forgets what was refused', async () => {
      const source = new FakeSource();
      const store = await CredentialStore.open(configOf([acme]), {
        openSource: async () => source,
      });
      scope.defer(() => store.close());
      store.start(hooksOf(() => Promise.reject(new Error('no plan'))));
      await new Promise(setImmediate);
      const tlsChallenges = new Map([['acme.test', loaded(first)]]);
      await assert.rejects(source.sink!.put({ ...NOTHING_SUPPLIED, tlsChallenges }, 'challenge'), {
        message: 'no plan',
      });
      assert.equal(store.current.tlsChallenges.size, 0);
    });

    it('is passed on to the next store, where what it depends on stays', async () => {
      const sources: FakeSource[] = [];
      const openSource = async () => {
        const source = new FakeSource();
        sources.push(source);
        return source;
      };
      const told: string[] = [];
      const open = (certificates: readonly object[], previous: CredentialStore | null) =>
        CredentialStore.open(configOf(certificates), { openSource, previous });
      const tell = (name: string) => hooksOf(async () => void told.push(name));

      const one = await open([acme], null);
      one.start(tell('one'));
      const two = await open([acme, pair], one);
      two.start(tell('two'), one.close(two));
      await new Promise(setImmediate);
      assert.equal(sources.length, 1);
      assert.equal(sources[0]?.starts, 1);
      assert.ok(!sources[0]?.isClosed);
      await sources[0]?.sink?.put(NOTHING_SUPPLIED, 'again');
      assert.deepEqual(told, ['two']);

      const three = await open([{ acme: ['other.test'] }], two);
      three.start(tell('three'), two.close(three));
      await new Promise(setImmediate);
      assert.deepEqual(
        sources.map(({ starts, isClosed }) => [starts, isClosed]),
        [
          [1, true],
          [1, false],
        ],
      );
      await three.close();
      assert.ok(sources[1]?.isClosed);
    });

    it('stays with the old store when the next never comes into force', async () => {
      const source = new FakeSource();
      const openSource = async () => source;
      const one = await CredentialStore.open(configOf([acme]), { openSource });
      one.start(hooksOf(async () => {}));
      const two = await CredentialStore.open(configOf([acme]), { openSource, previous: one });
      await two.close();
      assert.ok(!source.isClosed);
      await one.close();
      assert.ok(source.isClosed);
    });
  });

  it('stops looking when it is closed', async () => {
    const { store, changes } = await started(configOf([pair]));
    await store.close();
    const fresh = await writePair(folder, await ca.issue(), 'fresh');
    await rename(fresh.key, pair.key);
    await rename(fresh.cert, pair.cert);
    const other = await started(configOf([{ cert: pair.cert, key: pair.key }]));
    const happened = other.next();
    await writePair(join(folder), first);
    await happened;
    assert.deepEqual(changes, []);
  });
});
