// Sessions of TLS that listeners end: what is resumed and where, and what is stapled in handshakes.
import assert from 'node:assert/strict';
import { eventually } from '../../support/deadline.ts';
import { writeText } from '../../support/pki.ts';
import type { TlsClientOptions } from '../../support/tls-client.ts';
import type { Case } from '../case.ts';
import { httpsConfig, makePairs, makeSite, ocspResponse } from '../credentials.ts';

export const ONLY: Record<string, TlsClientOptions> = {
  'TLS 1.2': { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
  'TLS 1.3': { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' },
};

export function eachVersion(name: string, run: (options: TlsClientOptions) => Case['run']): Case[] {
  return Object.entries(ONLY).map(([version, options]) => ({
    name: `${name} (${version})`,
    run: run(options),
  }));
}

export const sessions: Case[] = [
  ...eachVersion('resumes sessions by ticket, over a reload too', (only) => async (test) => {
    const { pair } = await makeSite(test);
    const target = await test.httpTarget();
    const config = httpsConfig([target.address], { certificates: [pair] });
    const engine = await test.engine(config);
    const first = await test.tls(engine.port('web'), only);
    assert.equal(first.secure.isSessionReused(), false);
    assert.equal((await first.http.get('/')).status, 200);
    const session = await first.session();
    first.close();
    const second = await test.tls(engine.port('web'), { ...only, session });
    assert.equal(second.secure.isSessionReused(), true);
    assert.equal((await second.http.get('/')).status, 200);
    await engine.apply(config);
    const third = await test.tls(engine.port('web'), { ...only, session });
    assert.equal(third.secure.isSessionReused(), true);
    await eventually('all handshakes to be counted', () => {
      return engine.stats().listener('web').tls_handshakes === 3;
    });
    assert.equal(engine.stats().listener('web').tls_resumed, 2);
  }),
  ...eachVersion('resumes nothing where sessionTickets is off', (only) => async (test) => {
    const { pair } = await makeSite(test);
    const target = await test.httpTarget();
    const engine = await test.engine(
      httpsConfig([target.address], { certificates: [pair], sessionTickets: false }),
    );
    let session: Buffer | undefined;
    for (let turn = 0; turn < 2; turn++) {
      const client = await test.tls(engine.port('web'), {
        ...only,
        ...(session === undefined ? {} : { session }),
      });
      client.secure.once('session', (fresh) => {
        session = fresh;
      });
      assert.equal((await client.http.get('/')).status, 200);
      assert.equal(client.secure.isSessionReused(), false);
      session ??= client.secure.getSession();
      client.close();
    }
    assert.equal(engine.stats().listener('web').tls_resumed, 0);
  }),
  {
    name: 'does not resume one listener’s session at another',
    run: async (test) => {
      const { pair } = await makeSite(test);
      const target = await test.httpTarget();
      const listener = {
        address: '127.0.0.1:0',
        protocol: 'https',
        pool: 'all',
        tls: { certificates: [pair] },
      };
      const engine = await test.engine({
        listeners: { one: listener, two: listener },
        pools: { all: { targets: [target.address] } },
      });
      const first = await test.tls(engine.port('one'));
      await first.http.get('/');
      const session = await first.session();
      const second = await test.tls(engine.port('two'), { session });
      assert.equal(second.secure.isSessionReused(), false);
      assert.equal((await second.http.get('/')).status, 200);
    },
  },
  ...eachVersion(
    'staples the OCSP response of the certificate shown, to who asks',
    (only) => async (test) => {
      const [plain, stapled] = await makePairs(test, { names: ['a.test'] }, { names: ['b.test'] });
      assert.ok(plain && stapled);
      const response = ocspResponse(stapled.issued.serial);
      const ocsp = await writeText(await test.folder(), 'b.der', response);
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpsConfig([target.address], { certificates: [plain.pair, { ...stapled.pair, ocsp }] }),
      );
      for (const [servername, expected] of [
        ['a.test', null],
        ['b.test', response],
      ] as const) {
        let got: Buffer | null = null;
        const client = await test.tls(engine.port('web'), {
          ...only,
          servername,
          onOcsp: (bytes) => {
            got = bytes;
          },
        });
        assert.deepEqual(got, expected);
        assert.equal((await client.http.get('/')).status, 200);
      }
    },
  ),
  ...eachVersion(
    'staples the response of that one which is shown where RSA and ECDSA serve a name',
    (only) => async (test) => {
      const [ec, rsa] = await makePairs(test, {}, { keyType: 'rsa' });
      assert.ok(ec && rsa);
      const folder = await test.folder();
      const responses = [ec, rsa].map(({ issued }) => ocspResponse(issued.serial));
      const files = await Promise.all(
        responses.map((bytes, i) => writeText(folder, `${i}.der`, bytes)),
      );
      const target = await test.httpTarget();
      const show = (...certificates: object[]): object =>
        httpsConfig([target.address], { certificates });
      const [ecStapled, rsaStapled] = [ec, rsa].map(({ pair }, i) => ({ ...pair, ocsp: files[i] }));
      const engine = await test.engine(show(ecStapled!, rsaStapled!));
      const asks = async (sigalgs: string) => {
        let got: Buffer | null = null;
        const client = await test.tls(engine.port('web'), {
          ...only,
          sigalgs,
          onOcsp: (bytes) => {
            got = bytes;
          },
        });
        assert.equal((await client.http.get('/')).status, 200);
        return [client.fingerprint, got];
      };
      const anyRsa = 'rsa_pss_rsae_sha256:RSA+SHA256';
      const both = `ecdsa_secp256r1_sha256:${anyRsa}`;
      assert.deepEqual(await asks(both), [ec.issued.fingerprint, responses[0]]);
      assert.deepEqual(await asks(anyRsa), [rsa.issued.fingerprint, responses[1]]);
      // In the other order, and with a response for one alone.
      await engine.apply(show(rsa.pair, ecStapled!));
      assert.deepEqual(await asks(both), [ec.issued.fingerprint, responses[0]]);
      assert.deepEqual(await asks(anyRsa), [rsa.issued.fingerprint, null]);
    },
  ),
];
