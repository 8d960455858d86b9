// Configurations and the requests that an export of each must answer as we do.
import type { ProgramName } from './programs.ts';

export interface Asked {
  readonly method?: string;
  readonly target: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Why a program answers otherwise, by program: then nothing is compared but that it does. */
  readonly differs?: Partial<Record<ProgramName, string>>;
}

export interface Scenario {
  readonly name: string;
  readonly config: (address: string, targets: readonly string[]) => object;
  readonly requests: readonly (string | Asked)[];
  /** Fields of the target's answers. */
  readonly answers?: Readonly<Record<string, string>>;
}

const named = (name: string, match: object): object => ({ match, respond: { body: name } });
const web = (address: string, routes: readonly object[], listener: object = {}): object => ({
  web: { address, protocol: 'http', routes, ...listener },
});

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'routes in the order written',
    config: (address) => ({
      listeners: web(address, [
        named('exact', { path: '/a/b' }),
        named('regex', { pathRegex: '^/a/[bc]' }),
        named('prefix', { path: '/a/*' }),
        named('longer prefix that never has its turn', { path: '/a/d/*' }),
        named('regex at the end', { pathRegex: '\\.(png|jpe?g)$' }),
        named('any class', { pathRegex: '^/[^]x[[:d]$' }),
        named('named group', { pathRegex: '^/(?<uri>q+)/?$' }),
        named('dollar', { path: '/$x/*' }),
        named('escaped', { path: '/sp%20ace/*' }),
        named('dots', { path: '/v1.0' }),
      ]),
    }),
    requests: [
      ...[
        '/a/b',
        '/a/bb',
        '/a/c',
        '/a/d/e',
        '/a',
        '/a/',
        '/ab',
        '/A',
        '/x.png',
        '/x.jpeg',
        '/x.pngx',
      ],
      ...['/zx:', '/zx[', '/zxd', '/zxe', '/qq', '/qq/', '/qqa', '/$x/y', '/x/y', '/sp%20ace/z'],
      ...[
        '/v1.0',
        '/v1x0',
        '/a/b?q=1',
        '/a/x?/../y',
        '/',
        '/a//b',
        '/%61/b',
        '/x/../a/b',
        '/x/./y',
      ],
      ...['/../a', '/a/..', '/a/%2e%2e/qq', '/x/%2E./qq', '/a/../../b', '/qq%0A', '/a%00'],
    ],
  },
  {
    name: 'hosts, and routes of each in order',
    config: (address) => ({
      listeners: web(address, [
        named('one', { host: 'one.example', path: '/x/*' }),
        named('below', { host: '*.example', path: '/y/*' }),
        named('everywhere', { path: '/y/z' }),
        named('rest of one', { host: 'one.example' }),
        named('deep', { host: '*.deep.example' }),
        named('ipv6', { host: '[::1]' }),
        named('everywhere else', { path: '/w/*' }),
      ]),
    }),
    requests: [
      'one.example',
      'ONE.Example:81',
      'one.example.',
      'two.example',
      'a.deep.example',
      'example',
      '[::1]:80',
      'x.one.example',
      'other',
    ].flatMap((host) =>
      ['/x/', '/y/z', '/y/', '/w/', '/'].map((target) => ({ target, fields: { Host: host } })),
    ),
  },
  {
    name: 'prefixes taken off and put in front',
    config: (address, [one]) => ({
      listeners: web(address, [
        { match: { path: '/server1/*' }, stripPrefix: '/server1', pool: 'one' },
        { match: { path: '/add/*' }, addPrefix: '/v2', pool: 'one' },
        { match: { path: '/both/*' }, stripPrefix: '/both', addPrefix: '/$1/a%20b', pool: 'one' },
        { match: { path: '/part/*' }, stripPrefix: '/part/x', pool: 'one' },
        { pool: 'one' },
      ]),
      pools: { one: { targets: [one] } },
    }),
    requests: [
      ...[
        '/server1',
        '/server1/',
        '/server1/x',
        '/server1/server1',
        '/server1//x',
        '/server1?a=b&c',
        '/server1x',
      ],
      ...[
        '/add/x',
        '/add',
        '/both/x',
        '/both',
        '/part/x/y',
        '/part/y',
        '/part/xy',
        '/%20/x',
        '/server1/a%20b%C3%A9?q=%20',
      ],
      ...['/?', '/server1/a%25b', '/server1/a;b=c,d', '/x/../server1/y', '/server1/../add/z'],
      { target: '/server1/a%2Fb', differs: { nginx: 'it decodes what it rewrites' } },
    ],
  },
  {
    name: 'the Host that targets see',
    config: (address, [one, two]) => ({
      listeners: web(address, [
        { match: { path: '/client' }, hostHeader: 'client', pool: 'one' },
        { match: { path: '/fixed' }, hostHeader: 'app.example:8080', pool: 'one' },
        { match: { path: '/target' }, pool: 'one' },
        { match: { path: '/two' }, pool: 'two' },
      ]),
      pools: { one: { targets: [one], hostHeader: 'target' }, two: { targets: [two] } },
    }),
    requests: ['/client', '/fixed', '/target', '/two'],
  },
  {
    name: 'answers without a target',
    config: (address) => ({
      listeners: web(address, [
        {
          match: { path: '/text' },
          // biome-ignore lint/suspicious/noTemplateCurlyInString: it is one of nginx's.
          respond: { body: 'plain "text" $host ${uri} %[path] \\n; } # é\n\ttab' },
        },
        {
          match: { path: '/json' },
          respond: {
            status: 201,
            headers: { 'Content-Type': 'application/json', 'X-A': '"$b" %[src] \\;}#' },
            body: '{}',
          },
        },
        { match: { path: '/teapot' }, respond: { status: 418, body: 'short and stout' } },
        { match: { path: '/missing' }, respond: { status: 404 } },
        { match: { path: '/empty' }, respond: { status: 204 } },
        {
          match: { path: '/unavailable' },
          respond: { status: 503, headers: { 'Retry-After': '5' }, body: 'later' },
        },
        { match: { path: '/moved' }, respond: { status: 301, headers: { Location: '/to $here' } } },
        { match: { path: '/long' }, respond: { body: '$"\\x'.repeat(4000) } },
        { match: { path: '/page.html' }, respond: { body: 'text' } },
        {
          match: { path: '/edited' },
          respond: { headers: { 'X-A': 'a', 'X-B': 'b' }, body: 'x' },
          responseHeaders: { set: { 'X-A': 'c' }, remove: ['X-B'], add: { 'X-C': ['d', 'e'] } },
        },
      ]),
    }),
    requests: [
      ...[
        '/text',
        '/json',
        '/teapot',
        '/missing',
        '/empty',
        '/unavailable',
        '/long',
        '/page.html',
        '/edited',
        '/none',
      ],
      '/moved',
      { method: 'HEAD', target: '/text' },
      { method: 'POST', target: '/text', body: 'thrown away' },
      { method: 'DELETE', target: '/json' },
    ],
  },
  {
    name: 'redirections',
    config: (address) => ({
      listeners: web(address, [
        { match: { path: '/all/*' }, redirect: { to: 'https://{host}{path}{query}', status: 308 } },
        {
          match: { path: '/old/*' },
          stripPrefix: '/old',
          addPrefix: '/new',
          redirect: { to: '{scheme}://{host}{path}', status: 301 },
        },
        { match: { path: '/fixed' }, redirect: { to: '/to?a=$b;c%20{query}' } },
        {
          match: { path: '/with' },
          redirect: { to: '/x', status: 307 },
          responseHeaders: { set: { 'X-A': 'a' } },
        },
        { match: { path: '/303' }, redirect: { to: 'http://x.example/{path}', status: 303 } },
      ]),
    }),
    requests: [
      '/all/x?y=z',
      '/all',
      '/all/%20x',
      '/all/a%2Fb',
      '/all/%0D%0AX-Injected:1',
      '/old/x',
      '/old',
      '/old/old/x?a',
      '/fixed',
      '/fixed?q',
      '/with',
      '/303',
      { target: '/all/%0a%61', differs: { nginx: 'it repeats the path as the client wrote it' } },
    ],
  },
  {
    name: 'edits of header fields',
    config: (address, [one]) => ({
      listeners: web(address, [
        {
          pool: 'one',
          requestHeaders: {
            set: {
              'X-Set': '$host; } "x" \\ # %[src] %ci',
              Authorization: 'Basic Zm9v',
              'X-Forwarded-Proto': 'https',
            },
            add: { 'X-Add': ['1', '2'], Cookie: 'a=b', 'X-Set-More': 'x' },
            remove: ['X-Gone', 'User-Agent', 'X-Real-IP'],
          },
          responseHeaders: {
            set: {
              'X-Frame-Options': 'DENY',
              'Content-Type': 'text/x',
              'Cache-Control': '$no; %store',
            },
            add: { 'Set-Cookie': ['a=1', 'b=2'], 'X-Add': '"q"' },
            remove: ['X-Powered-By', 'ETag'],
          },
        },
      ]),
      pools: { one: { targets: [one] } },
    }),
    answers: {
      'X-Powered-By': 'x',
      ETag: '"e"',
      'Set-Cookie': 'c=3',
      'X-Frame-Options': 'ALLOW',
      'Cache-Control': 'public',
      'Content-Type': 'text/html',
      Location: 'http://elsewhere/',
      'X-Accel-Redirect': '/secret',
      Expires: '0',
      'X-Add': 'theirs',
    },
    requests: [
      '/',
      {
        target: '/',
        fields: {
          'X-Set': 'a',
          'X-Gone': 'b',
          'User-Agent': 'c',
          'X-Add': '0',
          Cookie: 'c=d',
          'X-Kept': 'e',
        },
      },
      { method: 'POST', target: '/p', body: 'body', fields: { 'Content-Type': 'text/plain' } },
      { method: 'PUT', target: '/p', body: 'x'.repeat(100_000) },
      { method: 'PATCH', target: '/p', body: 'y' },
      { method: 'DELETE', target: '/p' },
      { method: 'OPTIONS', target: '/p' },
      { method: 'HEAD', target: '/p' },
      {
        method: 'GET',
        target: '/p',
        fields: {
          'Keep-Alive': '1',
          'Proxy-Connection': 'x',
          Proxy: 'y',
          TE: 'gzip',
          'Proxy-Authorization': 'z',
        },
      },
    ],
  },
  {
    name: 'text that would be configuration if it could',
    config: (address, [one]) => ({
      listeners: web(address, [
        {
          match: { path: '/;}"\'$' },
          respond: {
            headers: { "X-'$": '"; } $host %[src] \\" # \'' },
            body: '"; } return 500; #\n\'\\',
          },
        },
        {
          match: { pathRegex: '^/[;{}"\'$]{2}' },
          pool: 'one',
          addPrefix: "/;$1'$uri%20",
          requestHeaders: { set: { 'X-A': '"; } proxy_pass http://evil; "' } },
        },
        {
          match: { pathRegex: 'x$' },
          pool: 'one',
          hostHeader: 'h.example',
          requestHeaders: { set: { 'X-A': '%[path] %% %T' } },
        },
        { redirect: { to: '/x";\'$host$uri;#{query}%20' } },
      ]),
      pools: { one: { targets: [one] } },
    }),
    requests: [
      '/;}"\'$',
      { target: '/"\'z', differs: { nginx: 'it escapes what it rewrites' } },
      "/;'z",
      '/;;',
      '/x',
      '/y?a',
    ],
  },
  {
    name: 'header fields without a value',
    config: (address, [one]) => ({
      listeners: web(address, [{ pool: 'one', requestHeaders: { set: { 'X-A': '' } } }]),
      pools: { one: { targets: [one] } },
    }),
    requests: [{ target: '/', differs: { nginx: 'it leaves them out' } }],
  },
  {
    name: 'what it can, and differs where docs/export.md says so',
    config: (address, [one]) => ({
      listeners: web(address, [{ match: { path: '/gone' }, pool: 'gone' }, { pool: 'one' }]),
      // Nothing listens on an address of its own.
      pools: { one: { targets: [one] }, gone: { targets: ['127.77.255.254:9'] } },
    }),
    requests: [
      {
        target: '/',
        fields: { Connection: 'X-Dropped', 'X-Dropped': '1' },
        differs: {
          nginx: 'it passes on what Connection names',
          haproxy: 'it passes on what Connection names',
        },
      },
      { target: '/', fields: { X_Custom: '1' }, differs: { nginx: 'it drops names with _' } },
      {
        target: '/',
        fields: { X_Forwarded_For: '1' },
        differs: { haproxy: 'it passes on names with _' },
      },
      {
        target: '/',
        fields: { 'X-Forwarded-Odd': '1' },
        differs: { nginx: 'it drops known ones' },
      },
      {
        target: '/',
        fields: { 'X-Long': 'x'.repeat(40_000) },
        differs: { nginx: '400, not 431', haproxy: '400, not 431' },
      },
      { target: '/gone', differs: { haproxy: '503, not 502' } },
      { method: 'POST', target: '/gone', body: 'x', differs: { haproxy: '503, not 502' } },
    ],
  },
  ...(['replace', 'append', 'off'] as const).map((forwarded) => forwardedScenario(forwarded, [])),
  forwardedScenario('replace', ['127.0.0.0/8', '::1']),
  forwardedScenario('replace', ['10.0.0.0/8']),
  {
    name: 'limits',
    config: (address, [one]) => ({
      listeners: web(address, [{ match: { path: '/*' }, pool: 'one' }], {
        limits: { target: 200, body: 1000, head: 4096 },
      }),
      pools: { one: { targets: [one] } },
    }),
    requests: [
      ...[199, 200, 201].map((length) => `/${'a'.repeat(length - 1)}`),
      { method: 'POST', target: '/', body: 'x'.repeat(1000) },
      { method: 'POST', target: '/', body: 'x'.repeat(1001) },
      { target: '/', fields: { 'X-Long': 'x'.repeat(3000) } },
    ],
  },
];

function forwardedScenario(forwarded: string, trustedProxies: readonly string[]): Scenario {
  const trusting = trustedProxies.length === 0 ? '' : `, trusting ${trustedProxies.join(' and ')}`;
  return {
    name: `forwarded: ${forwarded}${trusting}`,
    config: (address, [one]) => ({
      listeners: web(address, [{ pool: 'one' }], { forwarded, trustedProxies }),
      pools: { one: { targets: [one] } },
    }),
    requests: [
      '/',
      { target: '/', fields: { Host: 'example' } },
      { target: '/', fields: { Host: '[::1]:80' } },
      {
        target: '/',
        fields: { 'X-Forwarded-For': '1.2.3.4', Forwarded: 'for=1.2.3.4', 'X-Real-IP': '1.2.3.4' },
      },
      {
        target: '/',
        fields: {
          'X-Forwarded-Proto': 'https',
          'X-Forwarded-Host': 'a',
          'X-Forwarded-Port': '443',
        },
      },
    ],
  };
}
