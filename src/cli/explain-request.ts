// Reads what `sluice explain --request` is given, and finds the listener that such a request would reach.
import { SluiceError } from '../contract/errors.ts';
import type { Plan, PlanListener } from '../plan/plan.ts';

const SCHEMES = ['http', 'https', 'tcp', 'tls', 'udp'] as const;
/** tunnel: CONNECT, or what SOCKS asks for. */
type Scheme = (typeof SCHEMES)[number] | 'tunnel';

export interface DescribedRequest {
  /** null = none written: http or https. */
  readonly scheme: Scheme | null;
  readonly method: string;
  /** As in the Host field: with a port if one was written. */
  readonly authority: string;
  /** null = none written. */
  readonly port: number | null;
  readonly path: string;
  /** With its question mark, or ''. */
  readonly query: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

const SHAPE =
  /^(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s+)?(?:(https?|tcp|tls|udp):\/\/([^/?#\s]*))?(\*|\/[^?\s]*)?(\?\S*)?$/;

const TUNNEL = /^(CONNECT|SOCKS)\s+(\S+)$/;

/** Throws SluiceError `config_invalid`: the command line is part of what a person writes. */
export function readRequest(text: string, headers: readonly string[]): DescribedRequest {
  const [, how, authority = ''] = TUNNEL.exec(text.trim()) ?? [];
  if (how !== undefined) {
    const none = { port: null, path: '', query: '', headers: headers.map(readHeader) };
    return { ...none, scheme: 'tunnel', method: how, authority };
  }
  const match = SHAPE.exec(text.trim());
  const [, method = 'GET', scheme, written = '', path = '/', query = ''] = match ?? [];
  if (!match || (match[3] === undefined && match[4] === undefined)) {
    throw refuse(
      `--request ${JSON.stringify(text)}: expected 'GET http://host:port/path', 'https://host/path', '/path', 'tcp://host:port', 'tls://host:port', 'udp://host:port' or 'CONNECT host:port'`,
    );
  }
  const fields = headers.map(readHeader);
  const host = fields.find(({ name }) => name.toLowerCase() === 'host');
  const port = /:(\d{1,5})$/.exec(written)?.[1];
  return {
    scheme: SCHEMES.find((one) => one === scheme) ?? null,
    method,
    authority: host?.value ?? written,
    port: port === undefined ? null : Number(port),
    path,
    query,
    headers: fields,
  };
}

/** `name` is of a listener, or null. Throws SluiceError `config_invalid` when none, or more than one, can be meant. */
export function findListener(
  plan: Plan,
  request: DescribedRequest,
  name: string | null,
): PlanListener {
  if (name !== null) {
    const named = plan.listeners.find((listener) => listener.name === name);
    if (named !== undefined) return named;
    const all = plan.listeners.map((listener) => listener.name).join(', ');
    throw refuse(`--listener ${name}: there are ${all}`);
  }
  const speakers = plan.listeners.filter((listener) => speaks(listener, request.scheme));
  // Requests to anywhere come to forward proxies; where there are other listeners, they are meant.
  const isAnywhere = request.scheme === 'tunnel' || (request.scheme === 'http' && !speakers.length);
  const speaking = isAnywhere
    ? plan.listeners.filter(({ protocol }) => protocol === 'forward')
    : speakers;
  const onPort =
    request.port === null || isAnywhere
      ? speaking
      : speaking.filter(({ address }) => address.port === request.port);
  // The port that is written may be that of whatever stands before us, and then there must be one choice.
  const candidates = onPort.length > 0 ? onPort : speaking;
  const [only, ...others] = candidates;
  if (only && others.length === 0) return only;
  const names = speaking.map(({ name, address }) => `${name} (port ${address.port})`).join(', ');
  throw refuse(
    only
      ? `more than one ${isAnywhere ? 'forward' : (request.scheme ?? 'http')} listener could take this: ${isAnywhere ? 'give --listener with' : 'write the port of'} one of ${names}`
      : `no listener speaks ${request.scheme === 'tunnel' ? 'forward' : (request.scheme ?? 'http')}`,
  );
}

function speaks({ protocol, serverTls }: PlanListener, scheme: Scheme | null): boolean {
  switch (scheme) {
    case 'http':
      return protocol === 'http' && serverTls === null;
    case 'https':
      return protocol === 'http' && serverTls !== null;
    case 'tls':
      return protocol === 'tcp';
    case 'tunnel':
      return protocol === 'forward';
    case null:
      return protocol === 'http';
    default:
      return protocol === scheme;
  }
}

function readHeader(text: string): { readonly name: string; readonly value: string } {
  const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*(.*?)\s*$/.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw refuse(`--header ${JSON.stringify(text)}: expected 'Name: value'`);
  }
  return { name, value };
}

function refuse(message: string): SluiceError {
  return new SluiceError('config_invalid', message);
}
