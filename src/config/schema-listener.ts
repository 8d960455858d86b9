// The schema of listeners, one variant a protocol.
import { resolve } from 'node:path';
import { z } from 'zod';
import { FORWARDED_MODES, PROXY_ACCEPTS, SPLICE_MODES } from '../contract/codes.ts';
import { type AddressContext, parseAddressRange } from './address.ts';
import {
  choice,
  duration,
  integer,
  listenAddress,
  plainText,
  says,
  size,
  written,
} from './fields.ts';
import { parseHostPattern } from './host.ts';
import { parsed, refused } from './parsed.ts';
import { maybe, route } from './schema-route.ts';
import { hsts, serverTls } from './schema-tls.ts';

const KIB = 1024;

const poolName = () => plainText('the name of a pool', { title: 'name of a pool' });

const connectTimeout = () =>
  duration().prefault('5s').describe('How long a target may take to accept a connection.');

const handshakeTimeout = () =>
  duration()
    .prefault('10s')
    .describe('From a connection to the end of its TLS handshake and PROXY header.');

const httpTimeouts = z
  .strictObject({
    connect: connectTimeout(),
    handshake: handshakeTimeout(),
    requestHeader: duration()
      .prefault('30s')
      .describe(
        'From the first byte of a request to the end of its head, however slowly it trickles in; then 408.',
      ),
    bodyIdle: duration().prefault('60s').describe('Longest pause within a body, either way.'),
    responseHeader: duration()
      .prefault('60s')
      .describe('From the end of the request to the head of the response; then 504.'),
    keepAlive: duration()
      .prefault('75s')
      .describe('How long a client connection may idle between requests.'),
    tunnelIdle: duration()
      .prefault('1h')
      .describe('How long an upgraded connection (WebSocket) may stay silent in both directions.'),
  })
  .prefault({})
  .describe('Time limits.');

const httpLimits = z
  .strictObject({
    head: size(KIB, 64 * KIB)
      .prefault('32KiB')
      .describe(
        'Largest head (request line and headers), then 431; of responses too, then 502. From 1KiB to 64KiB.',
      ),
    headerCount: integer(1, 256)
      .prefault(100)
      .describe('Most headers in a message, then 431 (502 for responses).'),
    target: size(64, 64 * KIB)
      .prefault('8KiB')
      .describe('Longest request target (path and query), then 414. From 64 bytes to 64KiB.'),
    body: size(0, Number.MAX_SAFE_INTEGER)
      .prefault(0)
      .describe('Largest request body, then 413. 0 = unlimited.'),
  })
  .prefault({})
  .describe('Size limits.');

/** What a plan holds where a protocol has no such setting. */
export const defaultTimeouts = httpTimeouts.parse({});
export const defaultLimits = httpLimits.parse({});

const splice = () =>
  choice(SPLICE_MODES)
    .prefault('auto')
    .describe(
      'Whether bulk data moves inside the kernel: `auto` switches to it once a stream keeps filling buffers; `always` needs the native engine.',
    );

const address = (context: AddressContext) =>
  listenAddress(context).describe(
    'Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080` (the first address of the name), `:8080` (every IPv4 interface) or `unix:/run/sluice.sock`. Port 0 takes any free port.',
  );

const accessLogSaid = says('true (standard output), false, or the name of a file');

const accessLog = (context: AddressContext) =>
  z
    .union(
      [z.boolean(), z.string().min(1, accessLogSaid).meta({ title: 'file name' })],
      accessLogSaid,
    )
    .transform((value) => {
      if (value === true) return '-';
      return value === false ? null : resolve(context.baseFolder, value);
    })
    .prefault(false)
    .describe(
      'One JSON line a request, connection or session: `true` writes to standard output, text names a file (relative to the configuration file).',
    );

const maxConnections = () =>
  integer(0, 1_000_000)
    .prefault(0)
    .describe('Most open client connections; the newest beyond is refused. 0 = unlimited.');

const trustedProxies = (what: string) =>
  z
    .array(
      written(
        'an address or a block such as 10.0.0.0/8',
        { title: 'address or block' },
        parseAddressRange,
      ),
      says('a list of addresses and blocks'),
    )
    .prefault([])
    .describe(what)
    .meta({ examples: [['10.0.0.0/8', '::1']] });

const CONNECTIONS_BEGIN =
  'Whether connections from `trustedProxies` begin with a PROXY header (version 1 or 2) that names the client. `required`: one without is closed. Nobody else is believed.';
const DATAGRAMS_BEGIN =
  'Whether each datagram from `trustedProxies` begins with a PROXY header (version 2) that names the client; one proxy may speak for many from one port. `required`: a datagram without is dropped. Nobody else is believed.';

const proxyProtocol = (what = CONNECTIONS_BEGIN) =>
  choice(PROXY_ACCEPTS, {
    v1: 'the version is not chosen here: required, or optional',
    v2: 'the version is not chosen here: required, or optional',
  })
    .prefault('off')
    .describe(what);

/** What http and https listeners have in common. */
function httpKeys(context: AddressContext) {
  return {
    address: address(context),
    routes: maybe(
      z.array(route(), says('a list of routes')).min(1, says('at least one route')),
    ).describe(
      'Tried in the order written: the first that matches takes the request. None matches: 404.',
    ),
    pool: maybe(poolName()).describe('Short for one route that sends everything to this pool.'),
    forwarded: choice(FORWARDED_MODES)
      .prefault('replace')
      .describe(
        'X-Forwarded-For, -Proto, -Host, X-Real-IP and Forwarded: `replace` what the client claims, `append` to it, or `off`: remove them and add none.',
      ),
    trustedProxies: trustedProxies(
      'Clients whose forwarded headers are believed and appended to even under `replace`, and whose PROXY headers are believed.',
    ),
    proxyProtocol: proxyProtocol(),
    timeouts: httpTimeouts,
    limits: httpLimits,
    maxConnections: maxConnections(),
    splice: splice(),
    accessLog: accessLog(context),
  };
}

export function httpListener(context: AddressContext) {
  return z
    .strictObject({
      ...httpKeys(context),
      protocol: z.literal('http').describe('HTTP/1.1, balanced by request.'),
      redirectToHttps: z
        .union([z.boolean(), integer(1, 65_535)], says('true, false, or the port of https'))
        .transform((value) => (value === true ? 443 : value === false ? null : value))
        .prefault(false)
        .describe(
          'Short for one route that redirects everything to https (308): `true`, or the port where https is.',
        ),
    })
    .meta({
      oneOf: [{ required: ['routes'] }, { required: ['pool'] }, { required: ['redirectToHttps'] }],
    });
}

export function httpsListener(context: AddressContext) {
  return z
    .strictObject({
      ...httpKeys(context),
      protocol: z.literal('https').describe('HTTP/1.1 over TLS, which ends here.'),
      tls: serverTls(context).describe('What TLS is served with.'),
      hsts: hsts(),
    })
    .meta({ oneOf: [{ required: ['routes'] }, { required: ['pool'] }] });
}

const ALPN = 'the name of a protocol (ALPN), such as h2';

const alpnName = written(ALPN, { title: 'protocol', examples: ['h2', 'http/1.1'] }, (text) =>
  /^[\x21-\x7e]{1,255}$/.test(text) ? parsed(text) : refused(ALPN),
);
const alpnNames = () => z.array(alpnName, says('a list of protocols'));

function tcpRoute() {
  return z.strictObject({
    match: z
      .strictObject({
        serverName: maybe(
          written(
            'a host such as example.com or *.example.com',
            { title: 'host', examples: ['example.com', '*.example.com'] },
            parseHostPattern,
          ),
        ).describe('The name that the client asks for (SNI). Left out: every name, and none.'),
        alpn: maybe(alpnNames().min(1, says('at least one protocol'))).describe(
          'The client offers one of these protocols. Left out: whatever it offers.',
        ),
      })
      .prefault({})
      .describe('Which connections the route takes; all keys given must hold.'),
    pool: poolName().describe('Where they go.'),
  });
}

export function tcpListener(context: AddressContext) {
  return z
    .strictObject({
      address: address(context),
      protocol: z.literal('tcp').describe('Any protocol over TCP, balanced by connection.'),
      pool: maybe(poolName()).describe('Where connections go, if no route takes them.'),
      routes: maybe(
        z.array(tcpRoute(), says('a list of routes')).min(1, says('at least one route')),
      ).describe(
        'By what the client asks for in its TLS ClientHello, which is read and passed on: TLS is not ended here unless `tls` is given. Tried in the order written. None matches and there is no `pool`: the client gets `unrecognized_name`.',
      ),
      tls: maybe(
        serverTls(context).extend({
          alpn: alpnNames()
            .prefault([])
            .describe(
              'Protocols to agree on (ALPN), best first. A client that offers none of them is refused.',
            ),
        }),
      ).describe('Ends TLS here; targets get what is in it. Left out: bytes pass as they are.'),
      trustedProxies: trustedProxies('Clients whose PROXY headers are believed.'),
      proxyProtocol: proxyProtocol(),
      timeouts: z
        .strictObject({ connect: connectTimeout(), handshake: handshakeTimeout() })
        .prefault({})
        .describe('Time limits.'),
      idleTimeout: duration()
        .prefault('10m')
        .describe('A connection is closed after nothing moved in either direction for this long.'),
      maxConnections: maxConnections(),
      splice: splice(),
      accessLog: accessLog(context),
    })
    .meta({ anyOf: [{ required: ['routes'] }, { required: ['pool'] }] });
}

export function udpListener(context: AddressContext) {
  return z.strictObject({
    address: address(context),
    protocol: z
      .literal('udp')
      .describe('Any protocol over UDP, balanced by client address and port (a session).'),
    pool: poolName().describe('Where datagrams go.'),
    trustedProxies: trustedProxies('Clients whose PROXY headers are believed.'),
    proxyProtocol: proxyProtocol(DATAGRAMS_BEGIN),
    idleTimeout: duration()
      .prefault('30s')
      .describe('A session is forgotten after nothing moved in either direction for this long.'),
    maxSessions: integer(1, 1_000_000)
      .prefault(16_384)
      .describe('Most sessions at a time; the least recently used goes when one more is needed.'),
    responses: integer(0, 1_000_000)
      .prefault(0)
      .describe(
        'A session ends after so many replies (DNS: 1). 0 = only the idle timeout ends it.',
      ),
    accessLog: accessLog(context),
  });
}
