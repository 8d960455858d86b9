// Whether a client of a forward proxy may go where it wants to, and how: the rules decide, names are resolved, addresses
// are judged. An address that is connected to is one that was judged here; its name is not looked up again. The
// protocols (HTTP, CONNECT, SOCKS) say where to and tell the client what came of it. Main thread.
import type { SocketAddress } from '../../contract/address.ts';
import type { ErrorCode } from '../../contract/codes.ts';
import { addressClass } from '../../plan/address-class.ts';
import { addressSetOf } from '../../plan/address-set.ts';
import { decide, localTime } from '../../plan/decide.ts';
import { type Destination, parseDestinationHost } from '../../plan/destination-host.ts';
import type { PlanForward, PortRange } from '../../plan/plan.ts';
import type { IpPort } from './client-address.ts';
import type { LiveForward, LiveListener, LiveRoute } from './live-plan.ts';
import type { LiveUser } from './live-user.ts';
import type { LivePool } from './pool.ts';

export interface EgressWish {
  readonly listener: LiveListener;
  readonly forward: LiveForward;
  readonly clientHost: string;
  /** The address of ours that the client came to; null on a unix socket. */
  readonly cameTo: IpPort | null;
  readonly user: LiveUser | null;
  readonly destination: Destination;
  /** CONNECT and SOCKS for tunnels. */
  readonly method: string;
  /** Of a plain request, in normal form; null for tunnels. */
  readonly path: string | null;
}

/** Why there is no way, as pages tell it. */
export const DENIALS = {
  rule: 'a rule denies it',
  port: 'its port is not permitted',
  address: 'its address is not public',
} as const;

export interface Refusal {
  readonly kind: 'refused';
  readonly code: Exclude<ErrorCode, 'none'>;
  /** The rule that decided; null before any did. */
  readonly route: LiveRoute | null;
  readonly denial: keyof typeof DENIALS | null;
}

export interface Way {
  readonly kind: 'way';
  readonly route: LiveRoute;
  /** Direct, or of parents. */
  readonly pool: LivePool;
  readonly destination: Destination;
  /** Judged; those of a direct pool, at least one. Empty with parents, who resolve names themselves. */
  readonly addresses: readonly SocketAddress[];
  readonly sourceOf: (family: SocketAddress['family']) => string | null;
}

export type Egress = Refusal | Way;

export async function seekEgress(wish: EgressWish): Promise<Egress> {
  const { destination, listener, forward } = wish;
  const isPortFine = isPortPermitted(forward.plan, wish);
  const literal = literalOf(destination);
  const byName = ask(wish, null);
  const route = byName.kind === 'rule' ? routeOf(listener, byName.rule) : null;
  if (route !== null) {
    if (route.pool === null) return refusal('destination_denied', route, 'rule');
    if (!isPortFine) return refusal('destination_denied', route, 'port');
    // Parents resolve.
    if (literal === null && route.pool.plan.kind !== 'direct')
      return way(wish, route, route.pool, []);
  }
  const found = literal === null ? await resolve(wish) : [literal];
  if (typeof found === 'string') return refusal(found, route);
  return decideByAddress(wish, found, isPortFine);
}

function refusal(
  code: Refusal['code'],
  route: LiveRoute | null,
  denial: Refusal['denial'] = null,
): Refusal {
  return { kind: 'refused', code, route, denial };
}

function way(
  { destination, forward }: EgressWish,
  route: LiveRoute,
  pool: LivePool,
  addresses: readonly SocketAddress[],
): Way {
  return {
    kind: 'way',
    route,
    pool,
    destination,
    addresses,
    sourceOf: forward.sources.take,
  };
}

function ask(wish: EgressWish, address: string | null) {
  const { listener, forward, clientHost, user, destination, method, path } = wish;
  return decide(listener.live.plan, forward.plan, {
    client: clientHost,
    user: user?.name ?? null,
    destination,
    port: destination.port,
    method,
    path,
    time: localTime(new Date()),
    address,
  });
}

const routeOf = ({ plan, live }: LiveListener, rule: number): LiveRoute => {
  const route = live.routes[plan.routes.first + rule];
  if (route === undefined) throw new RangeError(`the listener has no rule ${rule}`);
  return route;
};

/** Each address by itself: those that a rule denies, that lead back here, or that are not public, fall away. */
function decideByAddress(
  wish: EgressWish,
  found: readonly SocketAddress[],
  isPortFine: boolean,
): Egress {
  const permitted: SocketAddress[] = [];
  let route: LiveRoute | null = null;
  let denying: LiveRoute | null = null;
  let isLoop = false;
  for (const address of found) {
    const rule = ruleFor(wish, address);
    if (rule.pool === null) {
      denying ??= rule;
    } else if (permitted.length > 0 && rule !== route) {
      // Under another rule than the first one that is allowed: one request has one rule.
    } else if (wish.destination.kind === 'name' && rule.pool.plan.kind !== 'direct') {
      // By name: what the parent makes of it is its own affair.
      return isPortFine
        ? way(wish, rule, rule.pool, [])
        : refusal('destination_denied', rule, 'port');
    } else if (isOwn(wish, address)) {
      isLoop = true;
    } else if (isPermitted(wish.forward.plan, address)) {
      route = rule;
      permitted.push(address);
    } else if (permitted.length === 0) {
      route = rule;
    }
  }
  const pool = route?.pool ?? null;
  if (permitted.length > 0 && route !== null && pool !== null) {
    if (!isPortFine) return refusal('destination_denied', route, 'port');
    return way(wish, route, pool, pool.plan.kind === 'direct' ? permitted : []);
  }
  if (denying !== null) return refusal('destination_denied', denying, 'rule');
  return isLoop ? refusal('proxy_loop', route) : refusal('destination_forbidden', route, 'address');
}

function ruleFor(wish: EgressWish, address: SocketAddress): LiveRoute {
  const decision = ask(wish, address.host);
  const rule = decision.kind === 'rule' ? decision.rule : wish.forward.plan.rules.length - 1;
  return routeOf(wish.listener, rule);
}

function isPortPermitted(plan: PlanForward, { method, destination }: EgressWish): boolean {
  const within = ({ first, last }: PortRange): boolean =>
    destination.port >= first && destination.port <= last;
  if (method === 'CONNECT') return plan.connectPorts.some(within);
  return method !== 'SOCKS' || plan.socksPorts.some(within);
}

/** What an oracle answers without an address, or no oracle, is an error. */
async function resolve({
  forward,
  destination,
}: EgressWish): Promise<readonly SocketAddress[] | 'name_not_found' | 'name_timeout'> {
  const answer = await forward.oracle?.addressesOf(destination.host);
  if (answer === undefined) return 'name_not_found';
  if (answer.error !== 'none') return answer.error;
  // In the same form as what clients write: IPv4-mapped addresses are IPv4, those with a zone are none.
  const found = answer.addresses.flatMap(({ host }) => {
    const address = parseDestinationHost(host);
    return address === null ? [] : (literalOf({ ...address, port: destination.port }) ?? []);
  });
  return found.length === 0 ? 'name_not_found' : found;
}

function literalOf(destination: Destination): SocketAddress | null {
  if (destination.kind === 'name') return null;
  const { family, host, port } = destination;
  return { family, host, port };
}

function isPermitted({ privateDestinations }: PlanForward, { family, host }: SocketAddress) {
  if (family === 'unix') return false;
  return addressClass(family, host) === 'public' || addressSetOf(privateDestinations).has(host);
}

/** The listener that the client came to: whoever connects to it again goes round in a circle. */
function isOwn({ listener, cameTo }: EgressWish, { host, port }: SocketAddress): boolean {
  if (cameTo === null || port !== cameTo.port) return false;
  return (
    host === cameTo.host || (isWildcardHost(listener.plan.address.host) && isThisMachine(host))
  );
}

const isWildcardHost = (host: string): boolean => host === '0.0.0.0' || host === '::';

/** What the kernel takes for this machine, whatever its interfaces are. */
function isThisMachine(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || isWildcardHost(host);
}
