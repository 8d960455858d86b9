// Fields that end at the proxy, and those that it adds about the client.
import assert from 'node:assert/strict';
import { fetchOnce } from '../../support/http-client.ts';
import { response } from '../../support/http-target.ts';
import { type Field, fieldValue, fieldValues } from '../../support/strict-http.ts';
import type { Case, CaseContext, Feature } from '../case.ts';
import { httpConfig } from '../config.ts';

const hopByHop: Case[] = [
  {
    name: 'keep hop-by-hop request fields, and those that Connection names, from the target',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      await fetchOnce(engine.port('web'), 'GET', '/', {
        Connection: 'keep-alive, X-Named',
        'Keep-Alive': 'timeout=5',
        'Proxy-Connection': 'keep-alive',
        'Proxy-Authorization': 'Basic eDp5',
        'Proxy-Foo': 'x',
        TE: 'trailers',
        Trailer: 'X-T',
        Upgrade: 'h2c',
        'X-Named': 'gone',
        Proxy: 'http://evil.example',
        X_Forwarded_For: '6.6.6.6',
        Content_Length: '5',
        'X-Kept': 'kept',
        Authorization: 'Bearer kept',
      });
      const { fields } = await target.next();
      const gone =
        'keep-alive proxy-connection proxy-authorization trailer upgrade x-named proxy x_forwarded_for content_length';
      for (const name of gone.split(' ')) assert.deepEqual(fieldValues(fields, name), [], name);
      assert.equal(fieldValue(fields, 'x-kept'), 'kept');
      assert.equal(fieldValue(fields, 'authorization'), 'Bearer kept');
      assert.doesNotMatch(fieldValue(fields, 'connection') ?? '', /x-named|upgrade/i);
    },
  },
  {
    name: 'keep hop-by-hop response fields, and those that Connection names, from the client',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: () =>
          response(200, {
            Connection: 'keep-alive, X-Named',
            'Keep-Alive': 'timeout=1',
            'Proxy-Authenticate': 'Basic',
            'Proxy-Connection': 'keep-alive',
            Upgrade: 'h2c',
            'X-Named': 'gone',
            'X-Kept': 'kept',
            'WWW-Authenticate': 'Basic',
          }),
      });
      const engine = await test.engine(httpConfig([target.address]));
      const answer = await fetchOnce(engine.port('web'), 'GET', '/');
      for (const name of ['proxy-authenticate', 'proxy-connection', 'upgrade', 'x-named']) {
        assert.equal(answer.value(name), undefined, name);
      }
      assert.notEqual(answer.value('keep-alive'), 'timeout=1');
      assert.equal(answer.value('x-kept'), 'kept');
      assert.equal(answer.value('www-authenticate'), 'Basic');
    },
  },
  {
    name: 'never let Connection name a field that the proxy adds',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      await fetchOnce(engine.port('web'), 'GET', '/', {
        Connection: 'X-Forwarded-For, X-Real-IP, Forwarded, X-Forwarded-Proto',
      });
      const { fields } = await target.next();
      assert.equal(fieldValue(fields, 'x-forwarded-for'), '127.0.0.1');
      assert.equal(fieldValue(fields, 'x-real-ip'), '127.0.0.1');
      assert.equal(fieldValue(fields, 'x-forwarded-proto'), 'http');
    },
  },
];

const CLAIMS = {
  'X-Forwarded-For': '1.1.1.1, 2.2.2.2',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 'claimed.example',
  'X-Real-IP': '1.1.1.1',
  Forwarded: 'for=1.1.1.1;proto=https',
};

/** What the target sees of a request that carries `sent`. */
async function seen(
  test: CaseContext,
  listener: object,
  sent: Readonly<Record<string, string>> = CLAIMS,
): Promise<readonly Field[]> {
  const target = await test.httpTarget();
  const engine = await test.engine(httpConfig([target.address], listener));
  await fetchOnce(engine.port('web'), 'GET', '/', sent);
  return (await target.next()).fields;
}

/** The elements of a Forwarded field, each with its parameters by lower-case name. */
function forwardedElements(fields: readonly Field[]): Record<string, string>[] {
  const text = fieldValues(fields, 'forwarded').join(',');
  return text.split(',').map((element) =>
    Object.fromEntries(
      element.split(';').map((pair) => {
        const [name = '', value = ''] = pair.trim().split('=');
        return [name.toLowerCase(), value.replace(/^"|"$/g, '')];
      }),
    ),
  );
}

const forwarding: Case[] = [
  {
    name: 'tell the target about the client',
    run: async (test) => {
      const fields = await seen(test, {}, { Host: 'site.example:81' });
      assert.deepEqual(fieldValues(fields, 'x-forwarded-for'), ['127.0.0.1']);
      assert.deepEqual(fieldValues(fields, 'x-forwarded-proto'), ['http']);
      assert.deepEqual(fieldValues(fields, 'x-forwarded-host'), ['site.example:81']);
      assert.deepEqual(fieldValues(fields, 'x-real-ip'), ['127.0.0.1']);
      assert.deepEqual(forwardedElements(fields), [
        { for: '127.0.0.1', host: 'site.example:81', proto: 'http' },
      ]);
    },
  },
  {
    name: "replace a client's own claims by default",
    run: async (test) => {
      const fields = await seen(test, {});
      assert.deepEqual(fieldValues(fields, 'x-forwarded-for'), ['127.0.0.1']);
      assert.deepEqual(fieldValues(fields, 'x-forwarded-proto'), ['http']);
      assert.deepEqual(fieldValues(fields, 'x-forwarded-host'), ['test']);
      assert.deepEqual(fieldValues(fields, 'x-real-ip'), ['127.0.0.1']);
      assert.deepEqual(forwardedElements(fields), [
        { for: '127.0.0.1', host: 'test', proto: 'http' },
      ]);
    },
  },
  {
    name: 'append to the claims of a trusted proxy',
    run: async (test) => {
      const fields = await seen(test, { trustedProxies: ['10.0.0.0/8', '127.0.0.0/8'] });
      assert.equal(fieldValue(fields, 'x-forwarded-for'), '1.1.1.1, 2.2.2.2, 127.0.0.1');
      assert.deepEqual(fieldValues(fields, 'x-real-ip'), ['1.1.1.1']);
      const [first, last, ...more] = forwardedElements(fields);
      assert.deepEqual(first, { for: '1.1.1.1', proto: 'https' });
      assert.equal(last?.for, '127.0.0.1');
      assert.deepEqual(more, []);
    },
  },
  {
    name: 'do not trust a proxy whose address is not listed',
    run: async (test) => {
      const fields = await seen(test, { trustedProxies: ['127.0.0.2', '10.0.0.0/8', '::1/128'] });
      assert.deepEqual(fieldValues(fields, 'x-forwarded-for'), ['127.0.0.1']);
    },
  },
  {
    name: 'append whoever claims when told to append',
    run: async (test) => {
      const fields = await seen(test, { forwarded: 'append' });
      assert.equal(fieldValue(fields, 'x-forwarded-for'), '1.1.1.1, 2.2.2.2, 127.0.0.1');
      assert.deepEqual(
        forwardedElements(fields).map((element) => element.for),
        ['1.1.1.1', '127.0.0.1'],
      );
    },
  },
  {
    name: 'leave no trace when told to be off',
    run: async (test) => {
      const fields = await seen(test, { forwarded: 'off' });
      for (const name of Object.keys(CLAIMS)) assert.deepEqual(fieldValues(fields, name), [], name);
    },
  },
  {
    name: 'quote what Forwarded cannot hold bare',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], { address: '[::1]:0' }));
      await fetchOnce(engine.port('web'), 'GET', '/', { Host: 'a.example:80' }, '', {
        host: '::1',
      });
      const text = fieldValue((await target.next()).fields, 'forwarded') ?? '';
      assert.match(text, /for="\[::1\]"/);
      assert.match(text, /host="a\.example:80"/);
    },
  },
];

export const hopByHopFields: Feature = { name: 'hop-by-hop fields', cases: hopByHop };
export const forwardedFields: Feature = { name: 'forwarded fields', cases: forwarding };
