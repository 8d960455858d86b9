import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { parseConfig } from '../../../src/config/parse.ts';
import { configJsonSchema } from '../../../src/config/schema.ts';

interface Schema {
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

type Place = readonly (string | number)[];

/** Every key of the schema: where it is, and what it says. `*` stands for a name. */
function* keysOf(schema: Schema, place: Place = []): Generator<{ place: Place; schema: Schema }> {
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    yield { place: [...place, key], schema: child };
    yield* keysOf(child, [...place, key]);
  }
  if (typeof schema.additionalProperties === 'object')
    yield* keysOf(schema.additionalProperties, [...place, '*']);
  if (schema.items) yield* keysOf(schema.items, [...place, 0]);
  for (const option of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) {
    const protocol = (option.properties?.protocol as { const?: string } | undefined)?.const;
    yield* keysOf(option, protocol === undefined ? place : [...place.slice(0, -1), protocol]);
  }
}

const keys = [...keysOf(configJsonSchema() as Schema)];

const PAIRS = [{ cert: 'a.pem', key: 'a.key' }];

/** What a map must have besides the key that is tried. */
const NEEDED: Readonly<Record<string, object>> = {
  acme: { agreeToTerms: true },
  clientCertificates: { ca: 'ca.pem' },
  redirect: { to: '/x' },
  users: { file: 'users.txt' },
  lists: { p: 'list.txt' },
  parent: { protocol: 'http' },
};

/** A good configuration with one value put in place. */
function withValue(place: Place, value: unknown): unknown {
  const base = {
    listeners: {
      http: { address: ':0', protocol: 'http', routes: [{}] },
      https: {
        address: ':0',
        protocol: 'https',
        tls: { certificates: PAIRS, clientCertificates: { ca: 'ca.pem' } },
        routes: [{}],
      },
      tcp: {
        address: ':0',
        protocol: 'tcp',
        routes: [{ pool: 'p' }],
        tls: { certificates: PAIRS },
      },
      udp: { address: ':0', protocol: 'udp', pool: 'plain' },
      forward: {
        protocol: 'forward',
        tls: { certificates: PAIRS },
        rules: [{ action: 'allow' }],
      },
    },
    pools: { p: { targets: ['127.0.0.1:1'] }, plain: { targets: ['127.0.0.1:2'] } },
  } as Record<string, unknown>;
  const path = place.map((key) => (key === '*' ? 'p' : key));
  let inner = base;
  path.slice(0, -1).forEach((key, i) => {
    inner[key] ??= typeof path[i + 1] === 'number' ? [] : {};
    inner = inner[key] as Record<string, unknown>;
  });
  const last = path.at(-1)!;
  inner[last] = value;
  for (const name of ['http', 'https']) {
    const web = (base.listeners as Record<string, Record<string, unknown>>)[name]!;
    const [route] = web.routes as Record<string, unknown>[];
    const isOther = ['pool', 'redirectToHttps'].some((key) => web[key]);
    if (isOther) delete web.routes;
    else if (!['pool', 'respond', 'redirect'].some((action) => route![action] !== undefined))
      route!.pool = 'p';
  }
  const parent = String(path.at(-2));
  Object.assign(inner, { ...NEEDED[parent], ...inner });
  if (parent === 'tls' && path[0] === 'listeners') inner.certificates ??= PAIRS;
  if (path[0] === 'lists' && path.length === 3) inner.file ??= 'list.txt';
  const { users } = (base.listeners as Record<string, Record<string, unknown>>).forward!;
  if (typeof users === 'object') Object.assign(users!, { ...NEEDED.users, ...users });
  return base;
}

describe('the JSON Schema', () => {
  it('describes every key', () => {
    assert.ok(keys.length > 70, `${keys.length} keys`);
    for (const { place, schema } of keys) {
      assert.ok((schema.description ?? '').length > 3, place.join('.'));
      assert.match(schema.description ?? '', /\.$/, `${place.join('.')} is a sentence`);
    }
  });

  it('gives defaults and examples that are accepted', () => {
    let tried = 0;
    for (const { place, schema } of keys) {
      // Forward proxies tell destinations of no certificate.
      if (place[1] === 'forward' && place.includes('headers')) continue;
      // Only listeners that ask for certificates have routes by them.
      if (place.includes('clientCertificate') && place[1] !== 'https') continue;
      if (place.includes('targets') || (place.length === 1 && place[0] === 'pools')) continue;
      const values = [
        ...(schema.default === undefined ? [] : [schema.default]),
        ...(schema.examples ?? []),
      ];
      for (const value of values) {
        assert.doesNotThrow(
          () => parseConfig(withValue(place, value)),
          `${place.join('.')}: ${JSON.stringify(value)}`,
        );
        tried++;
      }
    }
    assert.ok(tried > 60, `${tried} values`);
  });

  it('refuses unknown keys and asks for exactly one of what excludes each other', () => {
    const schema = configJsonSchema() as Schema;
    assert.equal(schema.additionalProperties, false);
    const listeners = schema.properties?.listeners?.additionalProperties as Schema;
    const [http, https, tcp] = listeners.oneOf ?? [];
    const ways = [{ required: ['routes'] }, { required: ['pool'] }];
    assert.deepEqual(http?.oneOf, [...ways, { required: ['redirectToHttps'] }]);
    assert.deepEqual(https?.oneOf, ways);
    assert.deepEqual(https?.required, ['address', 'protocol', 'tls']);
    assert.deepEqual(tcp?.anyOf, ways);
    assert.deepEqual(tcp?.required, ['address', 'protocol']);
    assert.deepEqual(http?.properties?.routes?.items?.oneOf, [
      { required: ['pool'] },
      { required: ['respond'] },
      { required: ['redirect'] },
    ]);
  });
});

describe('docs/configuration.md', () => {
  const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');

  it('has every key', () => {
    for (const { place } of keys) {
      const key = String(place.at(-1));
      assert.ok(new RegExp(`\`(?:[A-Za-z]+\\.)?${key}[.\`]`).test(page), place.join('.'));
    }
  });

  it('shows a configuration that works and one that does not', () => {
    const [good, bad] = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(
      ([, text]) => parseYaml(text ?? '') as unknown,
    );
    assert.doesNotThrow(() => parseConfig(good));
    assert.throws(() => parseConfig(bad), { code: 'config_invalid' });
  });
});
