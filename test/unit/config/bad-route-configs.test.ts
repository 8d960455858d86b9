// What is said about each mistake in a route, word for word.
import { describeTable, POOLS, type Row } from './mistakes.ts';

const listener = (text: string) => `${POOLS}\nlisteners: { web: ${text} }`;
const route = (text: string) => listener(`{ address: ":0", protocol: http, routes: [ ${text} ] }`);
const edits = (text: string) => route(`{ pool: p, requestHeaders: ${text} }`);
const HOST = 'a host such as example.com or *.example.com';
const PATH = 'a path such as /status, a prefix such as /api/*, or /*';
const PREFIX = 'a path that begins with a slash, such as /api';
const TO = 'where to, such as https://{host}{path}{query} or /new{path}';
const HEADER_NAME = 'the name of a header, such as X-Frame-Options';
const HEADER_VALUE = 'the value of a header: one line of ASCII text';
const AUTHORITY = 'client, target, or a host such as example.com or example.com:8080';

const at = 'listeners.web.routes[0]';
describeTable('a route', route, [
  ['text', [`${at}: a map of keys and values; "text" (text)`]],
  ['{}', [`${at}: exactly one of pool, respond and redirect; none of them`]],
  [
    '{ pool: p, respond: {} }',
    [`${at}: exactly one of pool, respond and redirect; pool and respond`],
  ],
  ['{ pool: apj }', [`${at}.pool: the name of a pool; "apj" (text); did you mean api?`]],
  [
    '{ respond: {}, stripPrefix: /a, hostHeader: target }',
    [
      `${at}.stripPrefix: no stripPrefix beside respond; "/a" (text); nothing is forwarded here, so it would have no effect`,
      `${at}.hostHeader: no hostHeader beside respond; "target" (text); nothing is forwarded here, so it would have no effect`,
    ],
  ],
  [
    '{ redirect: { to: /x }, requestHeaders: { remove: [A] } }',
    [
      `${at}.requestHeaders: no requestHeaders beside redirect; a map of remove; nothing is forwarded here, so it would have no effect`,
    ],
  ],
  [
    '{ pool: p, name: "a\\nb" }',
    [`${at}.name: a name of up to 100 ASCII characters; "a\\nb" (text)`],
  ],
  [
    '{ pool: p, stripPrefix: / }',
    [`${at}.stripPrefix: ${PREFIX}; "/" (text); a prefix of / alone changes nothing: leave it out`],
  ],
  [
    '{ pool: p, stripPrefix: /a/* }',
    [`${at}.stripPrefix: ${PREFIX}; "/a/*" (text); write it without the *: /a`],
  ],
  [
    '{ pool: p, addPrefix: v1 }',
    [`${at}.addPrefix: ${PREFIX}; "v1" (text); begin with a slash: /v1`],
  ],
  [
    '{ pool: p, addPrefix: "/a\\r\\nX: y" }',
    [
      `${at}.addPrefix: ${PREFIX}; "/a\\r\\nX: y" (text); controls, spaces, backslashes, #, broken escapes and climbing above the root are refused in requests too`,
    ],
  ],
  [
    '{ pool: p, hostHeader: targte }',
    [`${at}.hostHeader: ${AUTHORITY}; "targte" (text); did you mean target?`],
  ],
  [
    '{ pool: p, hostHeader: "a.test\\r\\nX: y" }',
    [`${at}.hostHeader: ${AUTHORITY}; "a.test\\r\\nX: y" (text)`],
  ],
  ['{ pool: p, hostHeader: "a.test:0" }', [`${at}.hostHeader: ${AUTHORITY}; "a.test:0" (text)`]],
  [
    '{ pool: p, hostHeader: http://a.test }',
    [`${at}.hostHeader: ${AUTHORITY}; "http://a.test" (text)`],
  ],
]);

describeTable('match', (text) => route(`{ pool: p, match: ${text} }`), [
  ['/api', [`${at}.match: a map of keys and values; "/api" (text)`]],
  ['{ path: /a, pathRegex: b }', [`${at}.match: path or pathRegex; both`]],
  [
    '{ paths: /a }',
    [
      `${at}.match.paths: one of the keys host, path, pathRegex, clientCertificate; the unknown key "paths"; did you mean path?`,
    ],
  ],
  ['{ host: "*" }', [`${at}.match.host: ${HOST}; "*" (text); leave host out to match every host`]],
  [
    '{ host: "a.*.test" }',
    [
      `${at}.match.host: ${HOST}; "a.*.test" (text); a * may only stand for the first labels: *.example.com`,
    ],
  ],
  [
    '{ host: "a.test:8080" }',
    [
      `${at}.match.host: ${HOST}; "a.test:8080" (text); ports and a trailing dot are not compared: write a.test`,
    ],
  ],
  [
    '{ host: "*.a.test." }',
    [
      `${at}.match.host: ${HOST}; "*.a.test." (text); ports and a trailing dot are not compared: write *.a.test`,
    ],
  ],
  [
    '{ host: müller.example }',
    [
      `${at}.match.host: ${HOST}; "müller.example" (text); write the name as DNS carries it: xn--mller-kva.example`,
    ],
  ],
  ['{ host: "a b" }', [`${at}.match.host: ${HOST}; "a b" (text)`]],
  ['{ host: "" }', [`${at}.match.host: ${HOST}; "" (text)`]],
  ['{ path: "*" }', [`${at}.match.path: ${PATH}; "*" (text); write /* for every path`]],
  [
    '{ path: /api* }',
    [`${at}.match.path: ${PATH}; "/api*" (text); a prefix ends on a segment border: write /api/*`],
  ],
  [
    '{ path: /a/../b }',
    [`${at}.match.path: ${PATH}; "/a/../b" (text); paths are compared in normal form: write /b`],
  ],
  [
    '{ path: /grün }',
    [
      `${at}.match.path: ${PATH}; "/grün" (text); paths are compared in escaped form: write /gr%C3%BCn`,
    ],
  ],
  [
    '{ pathRegex: "" }',
    [
      `${at}.match.pathRegex: a regular expression such as ^/v[0-9]+/; "" (text); leave it out to match every path`,
    ],
  ],
  [
    '{ pathRegex: "(a" }',
    [
      `${at}.match.pathRegex: a regular expression such as ^/v[0-9]+/; "(a" (text); unterminated group, near character 2`,
    ],
  ],
  [
    '{ pathRegex: "^/(?!api)" }',
    [
      `${at}.match.pathRegex: a regular expression such as ^/v[0-9]+/; "^/(?!api)" (text); lookahead ((?!api)) cannot be compiled to a table: write it without`,
    ],
  ],
  [
    '{ pathRegex: "a.{20}$" }',
    [
      `${at}.match.pathRegex: a regular expression such as ^/v[0-9]+/; "a.{20}$" (text); it needs more than 4096 states: simplify it`,
    ],
  ],
]);

describeTable('respond and redirect', route, [
  [
    '{ respond: { status: 100 } }',
    [`${at}.respond.status: a whole number from 200 to 599; 100 (number)`],
  ],
  [
    '{ respond: { status: 204, body: x } }',
    [`${at}.respond.body: no body: an answer with status 204 has none; "x" (text)`],
  ],
  ['{ respond: { body: 3 } }', [`${at}.respond.body: text; 3 (number); put it in quotes`]],
  [
    '{ respond: { headers: { Content-Length: "3" } } }',
    [
      `${at}.respond.headers.Content-Length: a header that may be edited; "Content-Length" (text); the proxy frames messages itself`,
    ],
  ],
  [
    '{ respond: { headers: { A: "x", a: "y" } } }',
    [`${at}.respond.headers.a: each header once; A and a`],
  ],
  [
    '{ redirect: {} }',
    [`${at}.redirect.to: where to, such as https://{host}{path}{query}; nothing`],
  ],
  [
    '{ redirect: { to: /x, status: 300 } }',
    [`${at}.redirect.status: one of 301, 302, 303, 307, 308; 300 (number)`],
  ],
  [
    '{ redirect: { to: "https://{hots}/" } }',
    [`${at}.redirect.to: ${TO}; "https://{hots}/" (text); did you mean {host}?`],
  ],
  [
    '{ redirect: { to: "/{x" } }',
    [`${at}.redirect.to: ${TO}; "/{x" (text); the parts are {scheme} {host} {path} {query}`],
  ],
  [
    '{ redirect: { to: "{path}" } }',
    [`${at}.redirect.to: ${TO}; "{path}" (text); write {scheme}://{host}{path}`],
  ],
  [
    '{ redirect: { to: "/{path}" } }',
    [
      `${at}.redirect.to: ${TO}; "/{path}" (text); begin with http://, https://, {scheme}:// and a host, or with a slash and text`,
    ],
  ],
  [
    '{ redirect: { to: "//evil.test" } }',
    [
      `${at}.redirect.to: ${TO}; "//evil.test" (text); begin with http://, https://, {scheme}:// and a host, or with a slash and text`,
    ],
  ],
  [
    '{ redirect: { to: "https://{path}" } }',
    [
      `${at}.redirect.to: ${TO}; "https://{path}" (text); begin with http://, https://, {scheme}:// and a host, or with a slash and text`,
    ],
  ],
  [
    '{ redirect: { to: "javascript:x" } }',
    [
      `${at}.redirect.to: ${TO}; "javascript:x" (text); begin with http://, https://, {scheme}:// and a host, or with a slash and text`,
    ],
  ],
  [
    '{ redirect: { to: "/x\\r\\nSet-Cookie: a" } }',
    [
      `${at}.redirect.to: ${TO}; "/x\\r\\nSet-Cookie: a" (text); no spaces, line ends or non-ASCII characters: escape them as %XX`,
    ],
  ],
]);

const set = `${at}.requestHeaders`;
describeTable('header edits', edits, [
  ['{ put: {} }', [`${set}.put: one of the keys set, add, remove; the unknown key "put"`]],
  [
    '{ set: { "X A": b } }',
    [`${set}.set["X A"]: ${HEADER_NAME}; "X A" (text); letters, digits and !#$%&'*+-.^_\`|~ only`],
  ],
  [
    '{ remove: ["X-A:"] }',
    [`${set}.remove[0]: ${HEADER_NAME}; "X-A:" (text); leave out the colon`],
  ],
  [
    '{ set: { X-A: "b\\r\\nX-B: c" } }',
    [
      `${set}.set.X-A: ${HEADER_VALUE}; "b\\r\\nX-B: c" (text); line ends and NUL would split the message`,
    ],
  ],
  [
    '{ add: { X-A: ["ok", "b\\0"] } }',
    [
      `${set}.add.X-A[1]: ${HEADER_VALUE}; "b\\u0000" (text); line ends and NUL would split the message`,
    ],
  ],
  [
    '{ set: { X-A: ü } }',
    [`${set}.set.X-A: ${HEADER_VALUE}; "ü" (text); escape other characters, for instance as %XX`],
  ],
  [
    '{ set: { X-A: " b" } }',
    [`${set}.set.X-A: ${HEADER_VALUE}; " b" (text); leave out the space around it`],
  ],
  ['{ set: { X-A: 1 } }', [`${set}.set.X-A: ${HEADER_VALUE}; 1 (number); put it in quotes: "1"`]],
  ['{ set: { X-A: [b] } }', [`${set}.set.X-A: ${HEADER_VALUE}; a list of 1`]],
  ['{ add: { X-A: {} } }', [`${set}.add.X-A: a value or a list of values; an empty map`]],
  ...['Content-Length', 'transfer-encoding', 'Trailer'].map(
    (name): Row => [
      `{ remove: [${name}] }`,
      [
        `${set}.remove[0]: a header that may be edited; "${name}" (text); the proxy frames messages itself`,
      ],
    ],
  ),
  ...['Connection', 'TE', 'Proxy-Connection'].map(
    (name): Row => [
      `{ set: { ${name}: x } }`,
      [
        `${set}.set.${name}: a header that may be edited; "${name}" (text); the proxy decides on its connections itself`,
      ],
    ],
  ),
  [
    '{ add: { Keep-Alive: x } }',
    [
      `${set}.add.Keep-Alive: a header that may be edited; "Keep-Alive" (text); the proxy decides on its connections itself; see timeouts.keepAlive`,
    ],
  ],
  [
    '{ add: { Upgrade: x } }',
    [
      `${set}.add.Upgrade: a header that may be edited; "Upgrade" (text); upgrades are passed on as the client asks for them`,
    ],
  ],
  [
    '{ set: { Host: x } }',
    [
      `${set}.set.Host: a header that may be edited; "Host" (text); use hostHeader of the route or the pool`,
    ],
  ],
  ['{ set: { X-A: b, x-a: c } }', [`${set}.set.x-a: each header once; X-A and x-a`]],
  ['{ remove: [X-A, x-a] }', [`${set}.remove[1]: each header once; "x-a" (text)`]],
  [
    '{ set: { X-A: b }, remove: [x-a] }',
    [
      `${set}.set.X-A: a header that is not removed as well; X-A in set and in remove; set replaces what is there: leave it out of remove`,
    ],
  ],
]);
