// The schema of forward proxies: the listener, its rules and users; the lists that rules name; the resolver.
import { isIP } from 'node:net';
import { z } from 'zod';
import type { SocketAddress } from '../contract/address.ts';
import { ANONYMITIES, FORWARD_ACCEPTS } from '../contract/codes.ts';
import { type AddressContext, parseAddressRange, parseListenAddress } from './address.ts';
import {
  CLOCK,
  DESTINATION,
  PORTS,
  parseClock,
  parseDestination,
  parsePorts,
} from './destination.ts';
import { choice, duration, integer, plainText, says, size, written } from './fields.ts';
import { canonicalIpv6, isHostName } from './host.ts';
import { parsed, refused } from './parsed.ts';
import { parsePathPattern } from './path.ts';
import { encodeFindings } from './problems.ts';
import { httpListener } from './schema-listener.ts';
import { maybe } from './schema-route.ts';
import { file, serverTls } from './schema-tls.ts';

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const MAX_BYTES = Number.MAX_SAFE_INTEGER;

const destination = () =>
  written(
    DESTINATION,
    { title: 'destination', examples: ['example.com', '*.example.com', '10.0.0.0/8'] },
    parseDestination,
  );
const destinations = () => z.array(destination(), says('a list of destinations'));

const ports = () =>
  z.array(
    z
      .union([z.int(), z.string()], says(PORTS))
      .meta({ title: 'ports', examples: [443, '8000-8099'] })
      .transform(String)
      .pipe(written(PORTS, { title: 'ports' }, parsePorts)),
    says('a list of ports'),
  );

const block = () =>
  written(
    'an address or a block such as 10.0.0.0/8',
    { title: 'address or block' },
    parseAddressRange,
  );
const blocks = () => z.array(block(), says('a list of addresses and blocks'));

const clock = () => written(CLOCK, { title: 'time of day', examples: ['08:00'] }, parseClock);

function timeWindow() {
  return z.strictObject({
    days: z
      .array(choice(DAYS), says('a list of days'))
      .min(1, says('at least one day'))
      .prefault([...DAYS])
      .describe('Days of the week on which the window begins. Left out: every day.')
      .meta({ examples: [['mon', 'tue', 'wed', 'thu', 'fri']] }),
    from: clock().prefault('00:00').describe('When it begins, by the local time of the proxy.'),
    to: clock()
      .prefault('24:00')
      .describe('When it ends, not included. Before `from`: on the next day.'),
  });
}

const USER_NAME = 'the name of a user: up to 255 printable characters without a colon';

export const isUserName = (text: string): boolean => /^[^\p{C}:]{1,255}$/u.test(text);

const userName = () =>
  written(USER_NAME, { title: 'user' }, (text) =>
    isUserName(text) ? parsed(text) : refused(USER_NAME),
  );

/** A condition that nothing meets would be taken for none, and the rule for one about everything. */
const atLeastOne = (what: string, key: string) =>
  says(`at least one ${what}`, () => `leave ${key} out where it does not matter`);

function match() {
  return z
    .strictObject({
      clients: maybe(blocks().min(1, atLeastOne('address or block', 'clients'))).describe(
        'The client has one of these addresses.',
      ),
      users: maybe(
        z.array(userName(), says('a list of users')).min(1, atLeastOne('user', 'users')),
      ).describe('The client is one of these users.'),
      hosts: maybe(destinations().min(1, atLeastOne('destination', 'hosts'))).describe(
        'The destination is one of these: `example.com` alone, `*.example.com` for everything below it, an address or a block. A name counts as being in a block by the addresses that it has.',
      ),
      lists: maybe(
        z
          .array(plainText('the name of a list'), says('a list of the names of lists'))
          .min(1, atLeastOne('name of a list', 'lists')),
      ).describe('Or it is in one of these lists.'),
      ports: maybe(ports().min(1, atLeastOne('port', 'ports'))).describe(
        'The port of the destination is one of these.',
      ),
      methods: maybe(
        z
          .array(
            written('a method such as GET', { title: 'method' }, (text) =>
              /^[A-Z][A-Z0-9-]{0,31}$/.test(text)
                ? parsed(text)
                : refused('a method such as GET', 'methods are written in capitals'),
            ),
            says('a list of methods'),
          )
          .min(1, atLeastOne('method', 'methods')),
      ).describe('The request has one of these methods; tunnels have CONNECT, SOCKS too.'),
      path: maybe(
        written(
          'a path such as /status, or a prefix such as /api/*',
          { title: 'path', examples: ['/ads/*'] },
          parsePathPattern,
        ),
      ).describe('The path of a plain HTTP request. What is in a tunnel has none that we see.'),
      times: maybe(
        z.array(timeWindow(), says('a list of times')).min(1, atLeastOne('time', 'times')),
      ).describe('It is within one of these times.'),
    })
    .prefault({})
    .describe('What the rule is about; all keys given must hold. Left out: everything.');
}

function rule() {
  return z.strictObject({
    name: maybe(
      plainText('a name').regex(
        /^[\x21-\x7e](?:[\x20-\x7e]{0,98}[\x21-\x7e])?$/,
        says('a name of up to 100 ASCII characters'),
      ),
    ).describe('For stats, logs and pages. Left out: made from `match`.'),
    match: match(),
    action: choice(['allow', 'deny'], {
      block: 'did you mean deny?',
      permit: 'did you mean allow?',
    }).describe('What becomes of it.'),
    via: maybe(plainText('the name of a pool', { title: 'name of a pool' })).describe(
      'With allow: through a proxy of this pool, which must have `parent`. Left out: directly.',
    ),
  });
}

const userLimits = () => ({
  bandwidth: size(0, MAX_BYTES)
    .prefault(0)
    .describe('Most bytes a second, either way together, over all connections. 0 = unlimited.'),
  connections: integer(0, 1_000_000)
    .prefault(0)
    .describe('Most requests and tunnels at a time. 0 = unlimited.'),
  quota: size(0, MAX_BYTES)
    .prefault(0)
    .describe(
      'Most bytes a day, either way together; counted anew at midnight, local time. 0 = unlimited.',
    ),
});

function users(context: AddressContext) {
  return z
    .strictObject({
      file: file(context, 'a file of users').describe(
        'One `name:hash` a line, as `sluice passwd` and `htpasswd -B` write them (scrypt or bcrypt). Read again when it changes.',
      ),
      realm: plainText('a name')
        .regex(
          /^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,100}$/,
          says('up to 100 ASCII characters, no quotes'),
        )
        .prefault('Sluice')
        .describe('What browsers show when they ask for a password.'),
      limits: z.strictObject(userLimits()).prefault({}).describe('What each user may use.'),
      each: z
        .record(userName().pipe(z.string()), z.strictObject(userLimits()), says('a map of users'))
        .prefault({})
        .describe('Limits of single users, in place of `limits`.'),
    })
    .meta({ examples: [{ file: 'users.txt' }] });
}

function forwardAddress(context: AddressContext) {
  const meta = { title: 'address' };
  return written('an address to listen on such as 127.0.0.1:3128', meta, (text) =>
    // Whoever wants to be reached from elsewhere says so.
    parseListenAddress(/^:[0-9]+$/.test(text) ? `127.0.0.1${text}` : text, context),
  );
}

const ipAddress = (expected: string) =>
  written<SocketAddress>(expected, { title: 'address' }, (text) => {
    const family = isIP(text);
    if (family === 0 || text.includes('%')) return refused(expected);
    return family === 4
      ? parsed({ family: 'ipv4', host: text, port: 0 })
      : parsed({ family: 'ipv6', host: canonicalIpv6(text), port: 0 });
  });

export function forwardListener(context: AddressContext) {
  const { timeouts, limits, maxConnections, splice, accessLog, trustedProxies, proxyProtocol } =
    httpListener(context).shape;
  return z.strictObject({
    address: forwardAddress(context)
      .prefault('127.0.0.1:3128')
      .describe(
        'Where to listen. `:3128` is the loopback interface here: write `0.0.0.0:3128` for every one.',
      ),
    protocol: z
      .literal('forward')
      .describe('A proxy for people: HTTP requests, CONNECT tunnels and SOCKS to anywhere.'),
    accept: z
      .array(
        choice(FORWARD_ACCEPTS, { socks: 'say which: socks5, socks4', https: 'give tls' }),
        says('a list'),
      )
      .min(1, says('at least one of http, socks5 and socks4'))
      .prefault([...FORWARD_ACCEPTS])
      .describe('What clients may speak; their first byte tells. `socks4` is SOCKS4 and 4a.'),
    tls: maybe(serverTls(context)).describe(
      'Speaks TLS to clients: an HTTPS proxy. Left out: in plain.',
    ),
    transparent: z
      .boolean(says('true or false'))
      .prefault(false)
      .describe(
        'Takes connections that netfilter redirected here (REDIRECT), to where they were going: no proxy is set in the client. Needs the native engine.',
      ),
    users: maybe(
      z
        .union(
          [file(context, 'a file of users'), users(context)],
          says('a file of users, or a map'),
        )
        .transform((value) =>
          typeof value === 'string' ? users(context).parse({ file: value }) : value,
        ),
    ).describe('Who may use the proxy, with which limits. Left out: everybody who can reach it.'),
    openToAll: z
      .boolean(says('true or false'))
      .prefault(false)
      .describe(
        'Permits an address that others can reach without users and without rules that limit clients. An open proxy is found and abused within hours.',
      ),
    deny: destinations()
      .prefault([])
      .describe('Short for a first rule that denies these destinations.')
      .meta({ examples: [['*.facebook.com', '203.0.113.0/24']] }),
    rules: z
      .array(rule(), says('a list of rules'))
      .prefault([])
      .describe('Tried in the order written: the first that matches decides.'),
    default: choice(['allow', 'deny']).prefault('allow').describe('When no rule matches.'),
    denyPage: maybe(file(context, 'a page')).describe(
      'HTML for what is denied; `{host}`, `{port}`, `{rule}`, `{client}`, `{user}` and `{reason}` are filled in. At most 32KiB. Left out: a short one.',
    ),
    connectPorts: ports()
      .prefault([443, 563])
      .describe('Ports that CONNECT may go to. `1-65535` for every one.'),
    socksPorts: ports().prefault(['1-65535']).describe('Ports that SOCKS may go to.'),
    privateDestinations: blocks()
      .prefault([])
      .describe(
        'Addresses that are not public (loopback, private, link-local, multicast, those of cloud metadata) are refused, whichever name leads to them. These may be reached all the same.',
      )
      .meta({ examples: [['10.1.0.0/16']] }),
    anonymity: choice(ANONYMITIES)
      .prefault('anonymous')
      .describe(
        'What destinations are told. `transparent`: the client (X-Forwarded-For, Forwarded) and the proxy (Via); `anonymous`: the proxy alone; `elite`: neither.',
      ),
    sourceAddresses: z
      .array(ipAddress('an address of this machine'), says('a list of addresses'))
      .prefault([])
      .describe('Addresses that connections go out from, in turn. Left out: the kernel chooses.'),
    pac: z
      .union([z.boolean(says('true or false')), file(context, 'a PAC file')])
      .prefault(false)
      .describe(
        'Serves `/proxy.pac`, with which browsers set themselves up: `true` for one that sends everything here, or the name of a file of at most 128KiB.',
      ),
    trustedProxies: trustedProxies.describe('Clients whose PROXY headers are believed.'),
    proxyProtocol,
    timeouts,
    limits,
    maxConnections,
    splice,
    accessLog,
  });
}

export function hostList(context: AddressContext) {
  const map = z.strictObject({
    file: file(context, 'a list').describe(
      'One entry a line: a host, `*.host`, an address or a block; lines of a hosts file (`0.0.0.0 ads.example`) too. `#` begins a comment. Read again when it changes.',
    ),
    subdomains: z
      .boolean(says('true or false'))
      .prefault(false)
      .describe('Each host of the list stands for everything below it too.'),
  });
  return z
    .union([file(context, 'a list'), map], says('the name of a file, or a map'))
    .transform((value) => (typeof value === 'string' ? map.parse({ file: value }) : value))
    .meta({ examples: ['ads.txt', { file: 'ads.txt', subdomains: true }] });
}

const NAME_SERVER = 'the address of a name server, such as 9.9.9.9 or 127.0.0.1:5353';

export function resolver() {
  return z
    .strictObject({
      servers: z
        .array(
          written(NAME_SERVER, { title: 'address' }, (text) => {
            const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::([0-9]{1,5}))?$/.exec(text);
            const host = match?.[1] ?? match?.[2] ?? text;
            const port = Number(match?.[3] ?? 53);
            const isFine = isIP(host) !== 0 && !host.includes('%') && port > 0 && port < 65_536;
            return isFine
              ? parsed(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
              : refused(NAME_SERVER);
          }),
          says('a list of name servers'),
        )
        .prefault([])
        .describe("Name servers to ask. Left out: the system's."),
      hosts: z
        .record(
          z.string().refine(isHostName, says('a host such as example.com')),
          z
            .array(ipAddress('an IP address'), says('a list of addresses'))
            .min(1, says('at least one address')),
          says('a map of hosts and their addresses'),
        )
        .prefault({})
        .describe('Addresses of hosts, in place of what name servers say.')
        .meta({ examples: [{ 'intranet.example': ['10.1.2.3'] }] }),
      minTtl: duration(0).prefault('1s').describe('An answer is kept at least this long.'),
      maxTtl: duration(0).prefault('1h').describe('An answer is kept at most this long.'),
      negativeTtl: duration(0)
        .prefault('10s')
        .describe('How long it is remembered that a name does not exist.'),
      timeout: duration().prefault('5s').describe('How long an answer may take.'),
    })
    .prefault({})
    .describe('How forward proxies find the addresses of destinations.');
}

/** Said without what was written. */
const SAYS_PASSWORD = {
  error: () =>
    encodeFindings([{ expected: 'a password of up to 255 characters', received: 'another value' }]),
};

const password = () => z.string(SAYS_PASSWORD).regex(/^\P{C}{1,255}$/u, SAYS_PASSWORD);

/** What the targets of a pool are, when they are proxies themselves. */
export function parent() {
  const map = z.strictObject({
    protocol: choice(['http', 'socks5']).describe('What they speak.'),
    username: maybe(userName()).describe('Whom to log in as.'),
    password: maybe(password()).describe('And with what.'),
  });
  return maybe(
    z
      .union([choice(['http', 'socks5']), map], says('http, socks5, or a map with protocol'))
      .transform((value) => (typeof value === 'string' ? map.parse({ protocol: value }) : value)),
  ).describe(
    'The targets are proxies that forward proxies hand their work on to, named by `via` of a rule.',
  );
}
