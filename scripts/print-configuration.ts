// Prints docs/configuration.md from the schema that validates configurations, so that the two cannot differ.
// `npm run docs`; an argument names another file to write.
import { writeFileSync } from 'node:fs';
import { parse } from 'yaml';
import { parseConfig } from '../src/config/parse.ts';
import { configJsonSchema } from '../src/config/schema.ts';
import { SluiceError } from '../src/contract/errors.ts';

interface Schema {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | false;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

const EXAMPLE = `engine: auto
listeners:
  web:
    address: 0.0.0.0:8080
    protocol: http
    routes:
      - match: { host: old.example.com }
        redirect: { to: "https://example.com{path}{query}", status: 308 }
      - match: { path: /healthz }
        respond: { body: ok }
      - match: { path: /server1/* }
        stripPrefix: /server1
        pool: one
      - pool: api
  database: { address: 127.0.0.1:5433, protocol: tcp, pool: postgres }
  secure:
    address: 0.0.0.0:8443
    protocol: https
    tls: { certificates: [{ cert: site.pem, key: site.key }] }
    pool: api
  media:    { address: 0.0.0.0:9000, protocol: udp, pool: streams }
pools:
  api:
    strategy: least-connections
    targets: ["127.0.0.1:3000", { address: "127.0.0.1:3001", weight: 2 }]
  one:      { targets: ["localhost:5001"], hostHeader: target }
  postgres: { targets: ["10.0.0.5:5432"] }
  streams:  { strategy: ip-hash, targets: ["localhost:10000", "localhost:10001"] }
`;

const MISTAKEN = `listeners:
  web:
    address: 8080
    protocol: http
    timeouts: { connect: 5 }
    routes:
      - match: { path: /api* }
        pool: apj
pools:
  api: { targets: ["127.0.0.1:3000"], stategy: random }
`;

const schema = configJsonSchema() as Schema;
const listeners = valuesOf(at(schema, 'listeners')).oneOf ?? [];
const http = listenerOf('http');
const https = listenerOf('https');
const tcp = listenerOf('tcp');
const forward = listenerOf('forward');
const rule = at(forward, 'rules').items ?? {};
const route = at(http, 'routes').items ?? {};
const pool = valuesOf(at(schema, 'pools'));

const page = `<!-- Printed from src/config/schema.ts by \`npm run docs\`. Do not edit. -->
# Configuration

A configuration says where to listen, how requests find a pool, and which targets a pool has. It is written in YAML,
in JSON, or in TypeScript with \`defineConfig()\`; \`sluice check FILE\` tells everything that is wrong with it and
\`sluice schema\` prints a JSON Schema for editors.

\`\`\`yaml
${EXAMPLE}\`\`\`

The same in TypeScript has full types, and may compute what it likes:

\`\`\`ts
import { defineConfig } from 'sluice';

export default defineConfig({
  listeners: { web: { address: ':8080', protocol: 'http', pool: 'api' } },
  pools: { api: { targets: [3000, 3001].map((port) => \`127.0.0.1:\${port}\`) } },
});
\`\`\`

## How values are written

| kind | written as |
|---|---|
| duration | A number and a unit: \`500ms\`, \`1.5s\`, \`2m\`, \`1h\`, \`1d\`; at most \`24d\` where nothing else is said. A number without a unit is refused, because nobody agrees on what it means. |
| size | \`64KiB\`, \`10MiB\` (powers of 1024), \`1MB\` (powers of 1000), or a plain number of bytes. |
| address | \`127.0.0.1:80\`, \`[::1]:80\`, \`name:80\`, \`unix:/run/app.sock\`. Listeners also take \`:80\` for every IPv4 interface (a forward proxy: for the loopback interface), targets also \`http://127.0.0.1:3000\`, \`https://app.internal\` and \`tls://db.internal:5433\`. |
| name | Of a listener, pool or list: letters, digits, \`.\`, \`_\` and \`-\`, at most 64. |

Relative file names (\`accessLog\`, \`cert\`, \`key\`, unix sockets) are relative to the folder of the configuration file.

## Top level

${table(schema, { except: ['acme', 'lists', 'resolver'] })}

## Listeners

A listener accepts connections or datagrams at one address. Port 0 takes a free port.

### \`protocol: http\`

${table(http, { except: ['routes'] })}

Exactly one of \`routes\`, \`pool\` and \`redirectToHttps\`. See [Routes](#routes).

### \`protocol: https\`

The same without \`redirectToHttps\`, and:

${table(only(https, ['tls', 'hsts']), { except: ['tls'] })}
${rows(mapAmong(at(https, 'hsts')), 'hsts.', []).join('\n')}

### \`tls\`

[TLS](tls.md) tells what all of this is for.

${table(at(https, 'tls'), { except: ['certificates'] })}

### \`certificates\`

A list of maps, each with \`cert\` and \`key\`, or with \`acme\`.

${certificateTable()}

### \`protocol: tcp\`

${table(tcp, { except: ['tls', 'routes'] }).replace('](#routes)', '](#routes-of-a-tcp-listener)')}

\`pool\`, \`routes\` or both. \`tls\` is as above, and has besides

${table(only(at(tcp, 'tls'), ['alpn']), { except: [] })}

### Routes of a tcp listener

${table(at(tcp, 'routes').items ?? {}, { except: [] })}

### \`protocol: udp\`

${table(listenerOf('udp'), { except: [] })}

### \`protocol: forward\`

${table(forward, { except: ['tls', 'users', 'rules'] })}

\`tls\` is as of an https listener. An address that others can reach needs \`users\`, rules that limit clients,
\`clientCertificates: require\`, or \`openToAll: true\`: an open proxy is refused.

### \`users\`

The name of a file, or a map:

${table(mapAmong(at(forward, 'users')), { except: [] })}

Values of \`each\` are maps as \`limits\`. \`sluice passwd FILE NAME\` writes the file.

### \`rules\`

A list, tried in the order written: **the first rule that matches decides.** None matches: \`default\` does.

${table(rule, { except: ['match'] }).replace('](#match)', '](#match-of-a-rule)')}

### \`match\` of a rule

${table(at(rule, 'match'), { except: ['times'] })}

\`hosts\` and \`lists\` are one condition: the destination is in either.

### \`times\`

${table(at(at(rule, 'match'), 'times').items ?? {}, { except: [] })}

## Routes

A list, in the order in which the routes are tried: **the first that matches takes the request, as written.** Put
\`/api/v2/*\` before \`/api/*\`. A request that no route matches is answered 404. \`sluice check\` warns of routes that can
never have a turn, \`sluice explain FILE --request 'GET http://host/path'\` says which route takes a request, and why not
those before it.

${table(route, { except: ['match', 'respond', 'redirect', 'requestHeaders', 'responseHeaders'] })}

Exactly one of \`pool\`, \`respond\` and \`redirect\`.

### \`match\`

${table(at(route, 'match'), { except: [] })}

Requests are routed on one normal form of their path, and forwarded in it: escaped letters, digits, \`-\`, \`.\`, \`_\` and
\`~\` are decoded, other escapes get upper-case digits, \`.\` and \`..\` segments are removed; \`//\` and \`%2F\` stay as they
are. A path that climbs above the root, or holds \`%00\`, a broken escape, a backslash, \`#\` or anything that is not
visible ASCII, is answered 400. The query is forwarded as it came.

### \`respond\`

${table(at(route, 'respond'), { except: [] })}

### \`redirect\`

${table(at(route, 'redirect'), { except: [] })}

Without a host in front, \`to\` must begin with a slash and fixed text: a path is never taken for a host.

### \`requestHeaders\` and \`responseHeaders\`

${table(at(route, 'requestHeaders'), { except: [] })}

Framing and connection headers (Content-Length, Transfer-Encoding, Connection, Keep-Alive, Trailer, TE, Upgrade) belong
to the proxy and cannot be edited; for Host there is \`hostHeader\`. Values are one line of ASCII.

## Pools

A pool is a named set of targets with one strategy. Any number of routes and listeners may share it.

${table(pool, { except: ['tls', 'parent'] }).replace('](#tls)', '](#tls-of-a-pool)')}

### A target as a map

${table(targetMap(), { except: [] })}

### \`tls\` of a pool

${table(mapAmong(at(pool, 'tls')), { except: [] })}

### \`parent\`

\`http\`, \`socks5\`, or a map:

${table(mapAmong(at(pool, 'parent')), { except: [] })}

Such a pool belongs to forward proxies alone. What is said of proxies over TLS is in \`tls\`: an http parent may be
written \`https://\`, a socks5 parent has no TLS.

## \`lists\`

A map of names and lists. A list is the name of a file, or a map:

${table(mapAmong(valuesOf(at(schema, 'lists'))), { except: [] })}

## \`resolver\`

${table(at(schema, 'resolver'), { except: [] })}

A destination's addresses come from \`hosts\`, else from \`/etc/hosts\`, else from name servers. \`localhost\` and what ends
with \`.localhost\` is the loopback address, whatever name servers say. Names are looked up as they stand: no search
domains are added.

## \`acme\`

${table(at(schema, 'acme'), { except: [] })}

## When something is wrong

All problems are reported at once, each with its place, what was expected and what was found. This file

\`\`\`yaml
${MISTAKEN}\`\`\`

is answered with

\`\`\`text
${refusal(MISTAKEN)}
\`\`\`
`;

writeFileSync(process.argv[2] ?? new URL('../docs/configuration.md', import.meta.url), page);

function at(parent: Schema, key: string): Schema {
  const child = parent.properties?.[key];
  if (child === undefined) throw new Error(`the schema has no ${key} here any more`);
  return child;
}

function valuesOf(record: Schema): Schema {
  return record.additionalProperties === false ? {} : (record.additionalProperties ?? {});
}

function listenerOf(protocol: string): Schema {
  const found = listeners.find((listener) => at(listener, 'protocol').const === protocol);
  if (found === undefined) throw new Error(`the schema has no ${protocol} listener any more`);
  return found;
}

function targetMap(): Schema {
  return mapAmong(at(pool, 'targets').items ?? {});
}

/** Of what may be written in several ways, the map. */
function mapAmong(of: Schema): Schema {
  const found = of.anyOf?.find((option) => option.type === 'object');
  if (found === undefined) throw new Error('the schema has no such map any more');
  return found;
}

/** A few keys of a map. */
function only(of: Schema, keys: readonly string[]): Schema {
  return { ...of, properties: Object.fromEntries(keys.map((key) => [key, at(of, key)])) };
}

/** Its two ways in one table. */
function certificateTable(): string {
  const ways = at(at(https, 'tls'), 'certificates').items?.anyOf ?? [];
  const [files, ...others] = ways;
  return [table(files ?? {}, { except: [] }), ...others.flatMap((way) => rows(way, '', []))].join(
    '\n',
  );
}

/** `except` lists keys that have a section of their own: their row does not spell out what is in them. */
function table(of: Schema, options: { readonly except: readonly string[] }): string {
  return [
    '| key | value | default | meaning |',
    '|---|---|---|---|',
    ...rows(of, '', options.except),
  ].join('\n');
}

function rows(of: Schema, prefix: string, except: readonly string[]): string[] {
  return Object.entries(of.properties ?? {}).flatMap(([key, child]) => {
    const isSection = child.properties !== undefined && !except.includes(key);
    if (isSection) return rows(child, `${prefix}${key}.`, []);
    const byDefault = of.required?.includes(key) ? 'required' : defaultText(child);
    const kind = except.includes(key) ? `see [${key}](#${anchorOf(key)})` : kindText(child);
    return `| \`${prefix}${key}\` | ${kind} | ${byDefault} | ${meaning(child)} |`;
  });
}

function anchorOf(key: string): string {
  return key.endsWith('Headers') ? 'requestheaders-and-responseheaders' : key.toLowerCase();
}

function kindText(of: Schema): string {
  if (of.const !== undefined) return code(of.const);
  if (of.enum !== undefined) return of.enum.map(code).join(' \\| ');
  if (of.title !== undefined) return of.title;
  if (of.anyOf !== undefined) return unionText(of.anyOf);
  if (of.oneOf !== undefined && of.type === undefined) return 'map';
  switch (of.type) {
    case 'integer':
      return `number ${of.minimum} to ${of.maximum}`;
    case 'boolean':
      return '`true` \\| `false`';
    case 'array':
      return `list of ${plural(kindText(of.items ?? {}))}`;
    case 'object':
      return of.additionalProperties
        ? `map of ${plural(kindText(of.additionalProperties))}`
        : 'map';
    default:
      return 'text';
  }
}

function unionText(options: readonly Schema[]): string {
  const kinds = options.map(kindText);
  return kinds.join(options.every((option) => option.const !== undefined) ? ' \\| ' : ' or ');
}

function plural(kind: string): string {
  if (kind === 'map') return 'maps';
  if (kind === 'text') return 'texts';
  return kind
    .split(' or ')
    .map((one) =>
      one.startsWith('list') || one.startsWith('`') ? one : one === 'map' ? 'maps' : `${one}s`,
    )
    .join(' or ')
    .replace('addresss', 'addresses')
    .replace('portss', 'ports');
}

function defaultText(of: Schema): string {
  if (of.default === undefined) return '';
  if (of.default === '') return 'empty';
  const isEmpty = typeof of.default === 'object' && Object.keys(of.default ?? {}).length === 0;
  if (isEmpty) return 'none';
  return code(Array.isArray(of.default) ? yamlText(of.default) : of.default);
}

function meaning(of: Schema): string {
  const examples = (of.examples ?? []).map((example) =>
    code(typeof example === 'string' ? example : yamlText(example)),
  );
  const shown = examples.length === 0 ? '' : ` For instance ${examples.join(', ')}.`;
  return `${of.description ?? ''}${shown}`.replaceAll('|', '\\|');
}

/** Flow style, as people write it on one line. */
function yamlText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(yamlText).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{ ${Object.entries(value)
      .map(([key, inner]) => `${key}: ${yamlText(inner)}`)
      .join(', ')} }`;
  }
  return typeof value === 'string' && /[:{}[\],&*#?|<>=!%@`]/.test(value)
    ? `"${value}"`
    : String(value);
}

function code(value: unknown): string {
  return `\`${String(value)}\``;
}

function refusal(text: string): string {
  try {
    parseConfig(parse(text), { subject: 'sluice.yaml' });
  } catch (error) {
    if (error instanceof SluiceError) return error.message;
    throw error;
  }
  throw new Error('the mistaken example is accepted');
}
