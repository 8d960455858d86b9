// Routes by what a client asks for in its ClientHello, in HAProxy: passed through, it is looked at before anything is
// sent; where TLS ends here, the handshake has told.
import type { TcpListenerConfig } from '../config/config.ts';
import { duration, type Notes } from './exported.ts';
import type { NamedListener } from './facts.ts';
import { when, word } from './haproxy-text.ts';
import { pcreLiteral } from './pcre.ts';

type NameRoutes = NonNullable<TcpListenerConfig['routes']>;

/** `nameOf` gives the section of a pool. */
export function nameRules(
  { path, listener }: NamedListener<TcpListenerConfig>,
  routes: NameRoutes,
  nameOf: (pool: string) => string,
  notes: Notes,
): string[] {
  const isEnded = listener.tls !== null;
  const hasProtocols = routes.some(({ match }) => match.alpn !== null);
  return [
    ...(isEnded
      ? []
      : [
          `tcp-request inspect-delay ${duration(listener.timeouts.handshake)}`,
          'tcp-request content accept if { req.ssl_hello_type 1 }',
        ]),
    ...(isEnded && hasProtocols
      ? notes.warn(
          `${path}.routes`,
          'HAProxy that ends TLS knows the protocol that was agreed on, not those that were offered',
        )
      : []),
    ...routes.map(({ match, pool }) =>
      when(conditions(match, isEnded), `use_backend ${nameOf(pool)}`),
    ),
  ];
}

function conditions({ serverName, alpn }: NameRoutes[number]['match'], isEnded: boolean): string {
  return [
    ...(serverName === null
      ? []
      : [
          `{ ${isEnded ? 'ssl_fc_sni' : 'req.ssl_sni'},lower,rtrim(.) -m ${serverName.kind === 'exact' ? 'str' : 'end'} -- ${word(serverName.value)} }`,
        ]),
    ...(alpn === null
      ? []
      : [
          `{ ${isEnded ? 'ssl_fc_alpn' : 'req.ssl_alpn'} -m reg -- ${word(`(^|,)(${alpn.map(pcreLiteral).join('|')})(,|$)`)} }`,
        ]),
  ].join(' ');
}
