// The schema of the whole configuration: the one source of validation, defaults, types, the JSON Schema and
// docs/configuration.md. What spans several keys is in references.ts.
import { z } from 'zod';
import { PROXY_SENDS, STRATEGIES } from '../contract/codes.ts';
import type { AddressContext } from './address.ts';
import { choice, duration, hintForWord, integer, says, targetAddress } from './fields.ts';
import { forwardListener, hostList, parent, resolver } from './schema-forward.ts';
import { httpListener, httpsListener, tcpListener, udpListener } from './schema-listener.ts';
import { hostHeader, maybe } from './schema-route.ts';
import { acme, clientTls } from './schema-tls.ts';

const PROTOCOLS = ['http', 'https', 'tcp', 'udp', 'forward'];
const PROTOCOL_HINTS = {
  tls: 'tcp with tls ends TLS, tcp with routes or a pool alone passes it through',
  socks: 'forward speaks SOCKS too',
  socks5: 'forward speaks SOCKS too',
  http2: 'HTTP/2 is not supported yet: http, or tcp to pass it through',
};

/** Names of listeners and pools. Those of Object.prototype would be found where nothing was written. */
const name = (thing: string) =>
  z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
      says(`the name of a ${thing}: letters, digits, ".", "_" and "-", at most 64`),
    )
    .refine((text) => !(text in Object.prototype), says(`another name for this ${thing}`));

const strategyMeaning =
  'How the pool chooses: `round-robin` in turn by weight; `random` by weight; `least-connections` the one with the fewest in flight for its weight; `ip-hash` by client address; `power-of-two-choices` the better of two drawn at random; `maglev` by client address, moving few clients when targets change.';

function target(context: AddressContext) {
  const address = targetAddress(context);
  return z.union(
    [
      address.transform((value) => ({ address: value, weight: 1 })),
      z.strictObject({
        address: address.describe('The address of the target.'),
        weight: integer(1, 1000).prefault(1).describe('Its share: 2 gets twice as much as 1.'),
      }),
    ],
    says('an address such as 127.0.0.1:3000, or a map with address and weight', (input) =>
      typeof input === 'number' ? `say on which host: "127.0.0.1:${input}"` : undefined,
    ),
  );
}

function pool(context: AddressContext) {
  return z.strictObject({
    targets: z
      .array(target(context), says('a list of targets'))
      .min(1, says('at least one target'))
      .describe(
        'Addresses, or maps with `address` and `weight`: `127.0.0.1:3000`, `[::1]:3000`, `app.internal:3000`, `unix:/run/app.sock`, `http://127.0.0.1:3000`, `https://app.internal`. A name with several addresses stands for as many targets.',
      )
      .meta({ examples: [['127.0.0.1:3000', { address: '127.0.0.1:3001', weight: 2 }]] }),
    strategy: choice(STRATEGIES, {
      'least-conn': 'did you mean least-connections?',
      p2c: 'did you mean power-of-two-choices?',
      'consistent-hash': 'did you mean maglev?',
      hash: 'did you mean ip-hash?',
    })
      .prefault('round-robin')
      .describe(strategyMeaning),
    hostHeader: hostHeader()
      .prefault('client')
      .describe(
        "The Host that targets see: the client's, the target's own address, or a fixed one. A route's own wins.",
      ),
    retries: z
      .union(
        [z.literal('auto'), integer(0, 10, 'auto or ')],
        says('auto or a whole number from 0 to 10'),
      )
      .prefault('auto')
      .describe(
        'How many other targets are tried when one fails before it answered and trying again is safe. `auto`: one fewer than the pool has targets, at most 2.',
      ),
    eject: z
      .strictObject({
        after: integer(0, 1000)
          .prefault(1)
          .describe(
            'Consecutive failures after which a target is set aside: no connection, no answer in time, one that is cut or malformed. What it answers is none, nor is a destination that a parent refuses. 0 = never.',
          ),
        for: duration()
          .prefault('2s')
          .describe('How long it is set aside the first time; doubles with each time in a row.'),
        max: duration().prefault('60s').describe('The longest it is set aside.'),
      })
      .prefault({})
      .describe('Setting failing targets aside.'),
    keepAlive: z
      .strictObject({
        idle: duration()
          .prefault('60s')
          .describe('Idle connections to a target are closed after this long.'),
        maxIdle: integer(0, 65_535)
          .prefault(256)
          .describe(
            'Most idle connections kept per target and worker. 0 = one connection a request.',
          ),
      })
      .prefault({})
      .describe('Connections to HTTP targets that are kept for the next request.'),
    tls: maybe(
      z
        .union([z.literal(true), clientTls(context)], says('true, or a map such as { ca: ca.pem }'))
        .transform((value) => (value === true ? clientTls(context).parse({}) : value)),
    ).describe(
      'How to speak TLS to the targets; `true` for the defaults. Given, all of them are spoken to so; else those written `https://` or `tls://`.',
    ),
    parent: parent(),
    proxyProtocol: choice(PROXY_SENDS)
      .prefault('off')
      .describe(
        'Begins connections to targets, and each datagram to them, with a PROXY header that names the client. Such a connection serves one client alone and is not kept. Datagrams know `v2` alone.',
      ),
  });
}

export function configSchema(context: AddressContext) {
  return z.strictObject({
    engine: choice(['auto', 'native', 'uws', 'js'])
      .prefault('auto')
      .describe(
        'What carries the traffic: `native` (Linux), `uws` (http on uWebSockets.js, to be installed besides), `js` (anywhere), or `auto`: native, else js.',
      ),
    workers: z
      .union(
        [z.literal('auto'), integer(1, 256, 'auto or ')],
        says('auto or a whole number from 1 to 256'),
      )
      .prefault('auto')
      .describe('Threads of the native engine. `auto`: one a core.'),
    loop: choice(['auto', 'epoll', 'io_uring'])
      .prefault('auto')
      .describe(
        'What a thread of the native engine waits on. `io_uring` needs Linux 6.1 and falls back to `epoll`, with a ' +
          'warning, where it is forbidden. `auto`: io_uring on Linux 6.12 and later, where it is allowed and a trial at ' +
          'start finds none of the faults that kernels are known for; else epoll. The log line `engine started` says which.',
      ),
    shutdownGrace: duration(0)
      .prefault('30s')
      .describe('How long work in flight may take to finish on shutdown before it is cut.'),
    acme: maybe(acme(context)).describe(
      'How certificates that listeners name by `acme` are obtained and renewed (RFC 8555).',
    ),
    listeners: z
      .record(
        name('listener'),
        z.discriminatedUnion(
          'protocol',
          [
            httpListener(context),
            httpsListener(context),
            tcpListener(context),
            udpListener(context),
            forwardListener(context),
          ],
          { error: describeListenerIssue },
        ),
        says('a map of names and listeners'),
      )
      .describe('What to listen on, by name; at least one.')
      .meta({ minProperties: 1 }),
    pools: z
      .record(name('pool'), pool(context), says('a map of names and pools'))
      .prefault({})
      .describe('Sets of targets, by name.'),
    lists: z
      .record(name('list'), hostList(context), says('a map of names and lists'))
      .prefault({})
      .describe('Lists of destinations that rules of forward proxies name.'),
    resolver: resolver(),
  });
}

const saysProtocol = says(`one of ${PROTOCOLS.join(', ')}`, (input) =>
  hintForWord(input, PROTOCOLS, PROTOCOL_HINTS),
);
const saysListener = says('a map of the keys of a listener, such as address and protocol');

function describeListenerIssue(issue: {
  readonly code?: string;
  readonly input?: unknown;
}): string {
  if (issue.code === 'invalid_type') return saysListener.error(issue);
  return saysProtocol.error({ input: (issue.input as { readonly protocol?: unknown }).protocol });
}

/** JSON Schema (draft 2020-12) of what a person writes, for editors and for docs/configuration.md. */
export function configJsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(configSchema({ baseFolder: '/' }), {
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      // zod takes the examples of a schema that transforms for its output; ours are all of the input.
      const examples = z.globalRegistry.get(zodSchema)?.examples;
      if (Array.isArray(examples)) jsonSchema.examples = examples;
    },
  });
  return { $schema, title: 'Sluice configuration', ...rest };
}
