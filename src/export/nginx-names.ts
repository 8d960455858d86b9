// Routes by what a client asks for in its ClientHello, as a map of nginx's stream module: expressions on the name and
// the protocols, in the order of the routes.
import type { TcpListenerConfig } from '../config/config.ts';
import type { Notes } from './exported.ts';
import type { NamedListener } from './facts.ts';
import { block, type Definitions, literal, NOTHING } from './nginx-text.ts';
import type { Upstreams } from './nginx-upstream.ts';
import { pcreLiteral } from './pcre.ts';

type NameRoutes = NonNullable<TcpListenerConfig['routes']>;

interface Context {
  readonly upstreams: Upstreams;
  readonly definitions: Definitions;
  readonly notes: Notes;
}

/** The variable that holds the pool's name; the listener's own pool, or nothing, where no route takes a connection. */
export function poolVariable(
  { index, path, listener }: NamedListener<TcpListenerConfig>,
  routes: NameRoutes,
  { upstreams, definitions, notes }: Context,
): string {
  const isEnded = listener.tls !== null;
  if (isEnded && routes.some(({ match }) => match.alpn !== null)) {
    definitions.once(
      `alpn ${index}`,
      notes.warn(
        `${path}.routes`,
        'nginx that ends TLS knows the protocol that was agreed on, not those that were offered',
      ),
    );
  }
  const asked = isEnded
    ? '"$ssl_server_name $ssl_alpn_protocol"'
    : '"$ssl_preread_server_name $ssl_preread_alpn_protocols"';
  return definitions.variable(`pool_${index}`, (name) =>
    block(`map ${asked} ${name}`, [
      ...routes.map(
        ({ match, pool }) =>
          `${literal(`~^${nameExpression(match.serverName)} ${alpnExpression(match.alpn)}\\z`)} ${upstreams.nameOf(pool)};`,
      ),
      `default ${listener.pool === null ? NOTHING : upstreams.nameOf(listener.pool)};`,
    ]),
  );
}

/** Names have no spaces; the last dot of one says nothing. */
function nameExpression(name: NameRoutes[number]['match']['serverName']): string {
  if (name === null) return '[^ ]*';
  return `(?i:${name.kind === 'suffix' ? '[^ ]+' : ''}${pcreLiteral(name.value)})\\.?`;
}

/** One of them in a list of commas. */
function alpnExpression(protocols: readonly string[] | null): string {
  return protocols === null ? '.*' : `(?:.*,)?(?:${protocols.map(pcreLiteral).join('|')})(?:,.*)?`;
}
