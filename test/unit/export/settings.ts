// Configurations by what they set, with the lines and warnings that each program's export has for it.
import type { ExportSettings } from '../../../src/export/exported.ts';

const TARGETS = ['127.0.0.1:3001', '127.0.0.1:3002'];

export interface Wanted {
  /** Lines, in this order though not one behind the other; an expression is found in one line. */
  readonly lines?: readonly (string | RegExp)[];
  readonly without?: readonly RegExp[];
  /** How each warning begins. */
  readonly warnings?: readonly string[];
}

export interface Setting {
  readonly name: string;
  readonly config: object;
  readonly settings?: Partial<ExportSettings>;
  readonly nginx: Wanted;
  readonly haproxy: Wanted;
}

const http = (listener: object = {}, pool: object = {}): object => ({
  listeners: { web: { address: '127.0.0.1:8080', protocol: 'http', pool: 'all', ...listener } },
  pools: { all: { targets: TARGETS.slice(0, 1), ...pool } },
});
const tcp = (listener: object = {}, pool: object = {}): object => ({
  listeners: { db: { address: '127.0.0.1:8080', protocol: 'tcp', pool: 'all', ...listener } },
  pools: { all: { targets: TARGETS.slice(0, 1), ...pool } },
});
const udp = (listener: object = {}): object => ({
  listeners: { media: { address: '127.0.0.1:8080', protocol: 'udp', pool: 'all', ...listener } },
  pools: { all: { targets: TARGETS.slice(0, 1) } },
});
const routes = (...list: object[]): object => ({
  listeners: { web: { address: '127.0.0.1:8080', protocol: 'http', routes: list } },
  pools: { all: { targets: TARGETS.slice(0, 1) } },
});
const NO_UDP = { warnings: ['listeners.media: '], without: [/^frontend/] };

export const SETTINGS: readonly Setting[] = [
  {
    name: 'that there is no forward proxy, beside what there is',
    config: {
      listeners: {
        proxy: { protocol: 'forward', rules: [{ action: 'allow', via: 'parents' }] },
        web: { address: '127.0.0.1:8080', protocol: 'http', pool: 'all' },
      },
      pools: {
        all: { targets: TARGETS.slice(0, 1) },
        parents: { targets: TARGETS.slice(1), parent: 'http' },
      },
    },
    nginx: {
      lines: ['listen 127.0.0.1:8080 default_server backlog=4096;'],
      without: [/3128|3002/],
      warnings: ['listeners.proxy: nginx is no forward proxy'],
    },
    haproxy: {
      lines: [/bind 127.0.0.1:8080/],
      without: [/3128|3002/],
      warnings: ['listeners.proxy: HAProxy is no forward proxy'],
    },
  },
  {
    name: 'nothing but the defaults',
    config: http(),
    nginx: {
      lines: [
        'worker_processes 1;',
        'worker_shutdown_timeout 30s;',
        'worker_connections 1000;',
        'access_log off;',
        'keepalive_requests 1000000000;',
        'proxy_http_version 1.1;',
        'proxy_request_buffering off;',
        'proxy_max_temp_file_size 0;',
        'upstream all {',
        'server 127.0.0.1:3001;',
        'keepalive 256;',
        'keepalive_requests 1000000000;',
        'keepalive_timeout 60s;',
        'listen 127.0.0.1:8080 default_server backlog=4096;',
        'keepalive_timeout 75s;',
        'client_header_timeout 30s;',
        'client_max_body_size 0;',
        'large_client_header_buffers 1 32768;',
        'proxy_connect_timeout 5s;',
        'proxy_read_timeout 60s;',
        'proxy_pass http://all;',
      ],
      without: [/load_module/, /^daemon/, /^user/, /reuseport/, /^zone/],
    },
    haproxy: {
      lines: [
        'nbthread 1',
        'maxconn 1000',
        'hard-stop-after 30s',
        'frontend web',
        'mode http',
        'bind 127.0.0.1:8080',
        'timeout http-request 30s',
        'timeout http-keep-alive 75s',
        'timeout client 60s',
        'option splice-auto',
        'default_backend all',
        'backend all',
        'timeout connect 5s',
        'timeout server 60s',
        'timeout tunnel 3600s',
        'http-reuse always',
        'server 127.0.0.1:3001 127.0.0.1:3001 pool-max-conn 256 pool-purge-delay 60s',
      ],
      without: [/tune\./, /normalize-uri/, /^user/, /check/],
    },
  },
  {
    name: 'the settings of an export',
    config: http({}, { targets: TARGETS }),
    settings: { workers: 3, connections: 77, folder: '/tmp/a b', user: 'nobody' },
    nginx: {
      lines: [
        'user nobody;',
        'daemon off;',
        'pid "/tmp/a b/nginx.pid";',
        'worker_processes 3;',
        'worker_connections 77;',
        /^proxy_temp_path "\/tmp\/a b\/proxy";/,
        'zone http_all 130k;',
        / reuseport;/,
      ],
    },
    haproxy: { lines: ['nbthread 3', 'maxconn 77', 'user nobody', /pool-max-conn 768/] },
  },
  {
    name: 'targets with weights, names and IPv6',
    config: http(
      {},
      {
        targets: [
          { address: '[::1]:3001', weight: 1000 },
          { address: 'localhost:3002', weight: 3 },
        ],
      },
    ),
    nginx: {
      lines: [
        'server "[::1]:3001" weight=1000 max_fails=1 fail_timeout=2s;',
        'server localhost:3002 weight=3 max_fails=1 fail_timeout=2s;',
      ],
      warnings: ['pools.all.targets[1]: '],
    },
    haproxy: {
      lines: [
        /^server target1 \[::1\]:3001 weight 256 /,
        /^server localhost:3002 localhost:3002 pool/,
      ],
      warnings: ['pools.all.targets: ', 'pools.all.targets[1]: '],
    },
  },
  {
    name: 'a lone target that no failure sets aside',
    config: http({}, { eject: { after: 5 } }),
    nginx: { lines: ['server 127.0.0.1:3001;'] },
    haproxy: { without: [/check/] },
  },
  {
    name: 'eject and retries',
    config: http(
      {},
      { targets: TARGETS, retries: 4, eject: { after: 3, for: '1500ms', max: '5s' } },
    ),
    nginx: {
      lines: ['server 127.0.0.1:3001 max_fails=3 fail_timeout=2s;', 'proxy_next_upstream_tries 5;'],
      warnings: ['pools.all.eject.for: ', 'pools.all.eject.max: '],
    },
    haproxy: {
      lines: [
        'retries 4',
        'option redispatch 1',
        'retry-on conn-failure empty-response',
        'default-server check inter 1500ms rise 1 fall 3 observe layer4 error-limit 3 on-error mark-down',
      ],
      warnings: ['pools.all.eject.max: '],
    },
  },
  {
    name: 'failures that set nothing aside',
    config: http({}, { targets: TARGETS, eject: { after: 0 } }),
    nginx: { lines: ['server 127.0.0.1:3001 max_fails=0;'] },
    haproxy: { without: [/check/] },
  },
  ...Object.entries({
    'round-robin': [null, 'balance roundrobin'],
    random: ['random;', 'balance random(1)'],
    'least-connections': ['least_conn;', 'balance leastconn'],
    'ip-hash': ['hash $remote_addr consistent;', 'balance source'],
    'power-of-two-choices': ['random two least_conn;', 'balance random(2)'],
  }).map(
    ([strategy, [nginx, haproxy]]): Setting => ({
      name: `the strategy ${strategy}`,
      config: http({}, { targets: TARGETS, strategy }),
      nginx: nginx ? { lines: [nginx] } : { without: [/^(?:hash|random|least_conn)/] },
      haproxy: { lines: [haproxy ?? ''] },
    }),
  ),
  {
    name: 'the strategy maglev, whose mapping is another',
    config: http({}, { targets: TARGETS, strategy: 'maglev' }),
    nginx: { lines: ['hash $remote_addr consistent;'], warnings: ['pools.all.strategy: '] },
    haproxy: {
      lines: ['balance source', 'hash-type consistent'],
      warnings: ['pools.all.strategy: '],
    },
  },
  {
    name: 'timeouts',
    config: http({
      timeouts: {
        connect: '1500ms',
        requestHeader: '2s',
        bodyIdle: '3s',
        responseHeader: '4s',
        keepAlive: '5s',
        tunnelIdle: '6s',
      },
    }),
    nginx: {
      lines: [
        'keepalive_timeout 5s;',
        'client_header_timeout 2s;',
        'client_body_timeout 3s;',
        'send_timeout 3s;',
        'proxy_connect_timeout 1500ms;',
        'proxy_send_timeout 3s;',
        'proxy_read_timeout 4s;',
      ],
      warnings: ['listeners.web.timeouts: ', 'listeners.web.timeouts.tunnelIdle: '],
    },
    haproxy: {
      lines: [
        'timeout http-request 2s',
        'timeout http-keep-alive 5s',
        'timeout client 3s',
        'timeout connect 1500ms',
        'timeout server 4s',
        'timeout tunnel 6s',
      ],
      warnings: ['listeners.web.timeouts: '],
    },
  },
  {
    name: 'limits',
    config: http({
      limits: { head: '48KiB', headerCount: 50, target: 999, body: '1MiB' },
      maxConnections: 9,
    }),
    nginx: {
      lines: [
        /^limit_conn_zone .*zone=sluice_listener_0:64k;/,
        'client_max_body_size 1048576;',
        'large_client_header_buffers 1 49152;',
        'if ($request_uri ~ "(?s)^.{1000}") {',
        'return 414;',
        'limit_conn sluice_listener_0 9;',
      ],
      warnings: ['listeners.web.limits.headerCount: ', 'listeners.web.maxConnections: '],
    },
    haproxy: {
      lines: [
        'tune.bufsize 50176',
        'tune.http.maxhdr 51',
        'maxconn 9',
        / status 414 .* if \{ pathq,length gt 999 \}$/,
        / status 413 .* if \{ req\.hdr_val\(content-length\) gt 1048576 \}$/,
      ],
      warnings: ['listeners.web.maxConnections: ', 'listeners.web.limits.body: '],
    },
  },
  {
    name: 'splice: never',
    config: http({ splice: 'never' }),
    nginx: {},
    haproxy: { without: [/splice/] },
  },
  {
    name: 'splice: always',
    config: tcp({ splice: 'always' }),
    nginx: {},
    haproxy: { lines: ['option splice-request', 'option splice-response'] },
  },
  {
    name: 'an access log on standard output',
    config: http({ accessLog: true }),
    nginx: {
      lines: [/^log_format sluice_web escape=json /, 'access_log /dev/stdout sluice_web;'],
      warnings: ['listeners.web.accessLog: '],
    },
    haproxy: {
      lines: ['log stdout format raw daemon', /^log-format "\{/],
      warnings: ['listeners.web.accessLog: '],
    },
  },
  {
    name: 'an access log in a file',
    config: tcp({ accessLog: '/tmp/sluice x "y".log' }),
    nginx: {
      lines: [
        /^log_format sluice_db escape=json /,
        'access_log "/tmp/sluice x \\"y\\".log" sluice_db;',
      ],
      warnings: ['listeners.db.accessLog: '],
    },
    haproxy: {
      lines: [/^log stdout/],
      warnings: ['listeners.db.accessLog: HAProxy writes no files'],
    },
  },
  {
    name: 'an access log in a file with a dollar in its name',
    config: http({ accessLog: '/tmp/$x.log' }),
    nginx: {
      without: [/^access_log (?!off)/],
      warnings: ['listeners.web.accessLog: nginx cannot write a file with $ in its name'],
    },
    haproxy: { warnings: ['listeners.web.accessLog: '] },
  },
  {
    name: 'a TCP listener',
    config: tcp(
      { idleTimeout: '5m', timeouts: { connect: '2s' }, maxConnections: 5 },
      { targets: TARGETS },
    ),
    nginx: {
      lines: [
        /^load_module .*ngx_stream_module\.so;/,
        'listen 127.0.0.1:8080 backlog=4096;',
        'limit_conn sluice_listener_0 5;',
        'proxy_connect_timeout 2s;',
        'proxy_half_close on;',
        'proxy_next_upstream_tries 2;',
        'proxy_timeout 300s;',
        'proxy_pass all;',
      ],
    },
    haproxy: {
      lines: [
        'mode tcp',
        'maxconn 5',
        'timeout client 300s',
        'timeout connect 2s',
        'timeout server 300s',
        'retries 1',
      ],
      warnings: ['listeners.db.maxConnections: '],
    },
  },
  {
    name: 'a UDP listener',
    config: udp({ idleTimeout: '10s', responses: 1 }),
    settings: { workers: 2 },
    nginx: {
      lines: [
        'listen 127.0.0.1:8080 udp rcvbuf=4m sndbuf=4m reuseport;',
        'proxy_responses 1;',
        'proxy_timeout 10s;',
      ],
    },
    haproxy: NO_UDP,
  },
  {
    name: 'a bound on UDP sessions',
    config: udp({ maxSessions: 5 }),
    nginx: { warnings: ['listeners.media.maxSessions: '] },
    haproxy: NO_UDP,
  },
  {
    name: 'any free port',
    config: {
      ...http(),
      listeners: {
        web: { address: '127.0.0.1:0', protocol: 'http', pool: 'all' },
        db: { address: '127.0.0.1:5432', protocol: 'tcp', pool: 'all' },
      },
    },
    nginx: {
      lines: ['# listeners.web.address: nginx cannot listen on any free port: left out'],
      warnings: ['listeners.web.address: '],
    },
    haproxy: {
      lines: ['frontend db'],
      without: [/^frontend web/],
      warnings: ['listeners.web.address: '],
    },
  },
  {
    name: 'IPv6 for both families',
    config: http({ address: '[::]:8080' }),
    nginx: { lines: ['listen "[::]:8080" default_server backlog=4096 ipv6only=off;'] },
    haproxy: { lines: ['bind [::]:8080 v4v6'] },
  },
  {
    name: 'socket files with names that mean something elsewhere',
    config: http(
      { address: 'unix:/tmp/a b,$c;{}.sock' },
      { targets: ['unix:/tmp/d "e"#\\.sock', '127.0.0.1:3001'] },
    ),
    nginx: {
      lines: [
        'server "unix:/tmp/d \\"e\\"#\\\\.sock" max_fails=1 fail_timeout=2s;',
        'listen "unix:/tmp/a b,$c;{}.sock" default_server backlog=4096;',
      ],
    },
    haproxy: { without: [/^bind|sock$/], warnings: ['listeners.web.address: '] },
  },
  {
    name: 'pools whose names differ in case alone, and a pool that http and tcp share',
    config: {
      listeners: {
        web: { address: '127.0.0.1:1001', protocol: 'http', pool: 'Api' },
        web2: {
          address: '127.0.0.1:1002',
          protocol: 'http',
          pool: 'api',
          timeouts: { connect: '1s' },
        },
        web3: { address: '127.0.0.1:1003', protocol: 'http', pool: 'api' },
        api: { address: '127.0.0.1:1004', protocol: 'tcp', pool: 'api' },
      },
      pools: { Api: { targets: ['127.0.0.1:1'] }, api: { targets: ['127.0.0.1:2'] } },
    },
    nginx: {
      lines: [
        'upstream Api {',
        'upstream api_2 {',
        'proxy_pass http://Api;',
        'proxy_pass http://api_2;',
        'proxy_pass http://api_2;',
        'upstream api {',
        'proxy_pass api;',
      ],
    },
    haproxy: {
      lines: [
        'default_backend Api',
        'default_backend api',
        'default_backend api:2',
        'default_backend api:3',
        'backend Api',
        'backend api',
        'timeout connect 1s',
        'backend api:2',
        'backend api:3',
        'mode tcp',
      ],
    },
  },
  {
    name: 'escapes that the programs see in another form',
    config: routes(
      { match: { path: '/a%2Fb' }, pool: 'all' },
      { match: { pathRegex: '%20' }, pool: 'all' },
      { match: { path: '/c/*' }, stripPrefix: '/c%2Fd', addPrefix: '/e%2Ff', pool: 'all' },
    ),
    nginx: {
      warnings: [
        'listeners.web.routes[0].match.path: ',
        'listeners.web.routes[1].match.pathRegex: ',
        'listeners.web.routes[2].stripPrefix: ',
        'listeners.web.routes[2].addPrefix: ',
      ],
    },
    haproxy: {},
  },
  {
    name: 'header values that are empty, and names with odd letters',
    config: routes({
      pool: 'all',
      requestHeaders: { set: { 'X-Empty': '' }, add: { "X'$%&.~": 'v' } },
      responseHeaders: { set: { Server: 'mine', 'X-Empty': '' } },
    }),
    nginx: {
      lines: [
        'proxy_set_header X-Empty "";',
        `proxy_set_header "X'$%&.~" v;`,
        'proxy_hide_header server;',
        'add_header Server mine always;',
      ],
      warnings: [
        'listeners.web.routes[0].requestHeaders: ',
        'listeners.web.routes[0].requestHeaders.add: ',
        'listeners.web.routes[0].responseHeaders: ',
        'listeners.web.routes[0].responseHeaders: ',
      ],
    },
    haproxy: {
      lines: [
        'http-request set-header X-Empty "%[var(txn.nothing)]"',
        `http-request add-header "X'\\$%&.~" v`,
        'http-response set-header Server mine',
      ],
    },
  },
  {
    name: 'many hosts, long hosts and many routes to one pool',
    config: routes(
      ...Array.from({ length: 300 }, (_, i) => ({
        match: { host: `${'a'.repeat(60)}.${'b'.repeat(60)}.host${i}.example` },
        pool: 'all',
      })),
    ),
    nginx: { lines: ['server_names_hash_bucket_size 256;', /^server_names_hash_max_size/] },
    haproxy: { lines: [/^use_backend all if \{ var\(txn\.route\) -m int 0 1 2 /] },
  },
  {
    name: 'trusted proxies without number',
    config: http({ trustedProxies: Array.from({ length: 100 }, (_, i) => `10.0.${i}.0/24`) }),
    nginx: { lines: [/^geo \$sluice_trusted_0 \{/, '10.0.99.0/24 1;'] },
    haproxy: { lines: [/^acl trusted src 10\.0\.0\.0\/24 /, /^acl trusted src 10\.0\.40\.0\/24 /] },
  },
  {
    name: 'text that would be configuration if it could',
    config: routes(
      {
        name: 'x; } server { listen 1; } #"',
        match: { path: '/;}"\'$' },
        respond: {
          // biome-ignore lint/suspicious/noTemplateCurlyInString: it is one of nginx's.
          headers: { "X-'$": '"; } $host ${x} %[src] \\" # \'' },
          body: '"; } return 500; #\nserver { \'\\\u0000',
        },
      },
      {
        match: { pathRegex: '^/[;{}"\'#$ ]{2}\\\\$' },
        pool: 'all',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is one of nginx's.
        addPrefix: '/";}$1\'${x}/%22',
        requestHeaders: { set: { 'X-A': '"; } proxy_pass http://evil; "' } },
      },
      { redirect: { to: '/x";\'$host$uri;#{query}' } },
    ),
    nginx: { without: [/^(?:listen 1;|return 500|server \{ '|proxy_pass http:\/\/evil)/] },
    haproxy: { warnings: ['listeners.web.routes[0].respond.body: HAProxy ends a text at a NUL'] },
  },
  {
    name: 'routes that never have their turn',
    config: routes({ pool: 'all' }, { match: { path: '/a' }, respond: { body: 'never' } }),
    nginx: {
      lines: [
        '# listeners.web.routes[1]: left out, because an earlier route takes all of its requests',
      ],
    },
    haproxy: {
      lines: [
        '# listeners.web.routes[1]: left out, because an earlier route takes all of its requests',
      ],
      without: [/never/],
    },
  },
  {
    name: 'more headers than fit on a line of HAProxy',
    config: routes({
      respond: {
        headers: Object.fromEntries(
          Array.from({ length: 40 }, (_, i) => [`X-Header-${i}`, 'value']),
        ),
        body: 'x',
      },
    }),
    nginx: { lines: ['add_header X-Header-39 value always;'] },
    haproxy: { lines: ['http-after-response add-header X-Header-39 value'] },
  },
  {
    name: 'a body larger than any buffer, and long words',
    config: routes(
      { match: { path: '/a' }, respond: { body: '$'.repeat(65_536) } },
      {
        match: { path: '/b' },
        pool: 'all',
        requestHeaders: { set: { [`X-${'long-'.repeat(40)}`]: 'v'.repeat(9000) } },
      },
    ),
    nginx: { lines: [/^proxy_headers_hash_bucket_size/] },
    haproxy: { lines: ['tune.bufsize 67584'] },
  },
];
