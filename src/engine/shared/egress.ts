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
  if (leadsBack(wish)) return refusal('proxy_loop', null);
  const literal = literalOf(destination);
  const byName = ask(wish, null);
  let resolved: readonly SocketAddress[] | null = literal === null ? null : [literal];
  let route: LiveRoute;
  if (byName.kind === 'needs-addresses') {
    const found = await resolve(wish);
    if (typeof found === 'string') return refusal(found, null);
    const decided = decideEach(wish, found);
    route = decided.route;
    resolved = decided.addresses;
  } else {
    route = routeOf(listener, byName.rule);
  }
  const { pool } = route;
  if (pool === null) return refusal('destination_denied', route, 'rule');
  if (!isPortPermitted(forward.plan, wish)) return refusal('destination_denied', route, 'port');
  if (pool.plan.kind !== 'direct' && literal === null) return way(wish, route, pool, []);
  if (resolved === null) {
    const found = await resolve(wish);
    if (typeof found === 'string') return refusal(found, route);
    resolved = found;
  }
  const judged = judge(wish, resolved);
  if (judged.addresses.length === 0) {
    return judged.isLoop
      ? refusal('proxy_loop', route)
      : refusal('destination_forbidden', route, 'address');
  }
  return way(wish, route, pool, pool.plan.kind === 'direct' ? judged.addresses : []);
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

/** Every address by itself: those that are denied fall away, and of the rest those that go the way of the first. */
function decideEach(
  wish: EgressWish,
  addresses: readonly SocketAddress[],
): { readonly route: LiveRoute; readonly addresses: readonly SocketAddress[] } {
  const decided = addresses.map((address) => {
    const decision = ask(wish, address.host);
    const rule = decision.kind === 'rule' ? decision.rule : wish.forward.plan.rules.length - 1;
    return { address, route: routeOf(wish.listener, rule) };
  });
  const allowed = decided.filter(({ route }) => route.pool !== null);
  const first = allowed[0] ?? decided[0];
  if (first === undefined) throw new RangeError('a name resolves to one address at least');
  return {
    route: first.route,
    addresses: allowed
      .filter(({ route }) => route.pool === first.route.pool)
      .map(({ address }) => address),
  };
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

/** A client of ours wants to go to where it is already. Of names that is known once they are resolved. */
export function leadsBack(wish: Pick<EgressWish, 'listener' | 'cameTo' | 'destination'>): boolean {
  const literal = literalOf(wish.destination);
  return literal !== null && isOwn(wish, literal);
}

/** Addresses that may be connected to. `isLoop`: there is none, because the first leads back here. */
function judge(
  wish: EgressWish,
  addresses: readonly SocketAddress[],
): { readonly addresses: readonly SocketAddress[]; readonly isLoop: boolean } {
  const verdicts = addresses.map((address) => ({
    address,
    isLoop: isOwn(wish, address),
    isPermitted: isPermitted(wish.forward.plan, address),
  }));
  return {
    addresses: verdicts
      .filter(({ isLoop, isPermitted: isFine }) => isFine && !isLoop)
      .map(({ address }) => address),
    isLoop: verdicts[0]?.isLoop === true,
  };
}

function isPermitted({ privateDestinations }: PlanForward, { family, host }: SocketAddress) {
  if (family === 'unix') return false;
  return addressClass(family, host) === 'public' || addressSetOf(privateDestinations).has(host);
}

/** An address of ours at which a forward proxy listens. */
function isOwn(
  { listener, cameTo }: Pick<EgressWish, 'listener' | 'cameTo'>,
  { host, port }: SocketAddress,
): boolean {
  if (cameTo !== null && port === cameTo.port) {
    const isWildcard = isWildcardHost(listener.plan.address.host);
    if (host === cameTo.host || (isWildcard && isThisMachine(host))) return true;
  }
  return listener.live.plan.listeners.some(({ protocol, address }) => {
    if (protocol !== 'forward' || address.family === 'unix' || address.port !== port) return false;
    if (!isWildcardHost(address.host)) return address.host === host;
    return isThisMachine(host) || host === cameTo?.host;
  });
}

const isWildcardHost = (host: string): boolean => host === '0.0.0.0' || host === '::';

/** What the kernel takes for this machine, whatever its interfaces are. */
function isThisMachine(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || isWildcardHost(host);
}
