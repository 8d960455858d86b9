// What a forward proxy would do with a request or a tunnel: the rule that decides and why those before it do not, the
// addresses and what they are, and how the destination would be reached.
import { isIP } from 'node:net';
import type { ResolverConfig } from '../config/config.ts';
import { SluiceError } from '../contract/errors.ts';
import { Names } from '../control/names.ts';
import { addressClass } from '../plan/address-class.ts';
import { addressSetOf } from '../plan/address-set.ts';
import { type DecisionQuestion, type LocalTime, localTime } from '../plan/decide.ts';
import {
  type Destination,
  parseDestination,
  parseDestinationHost,
} from '../plan/destination-host.ts';
import { isQueryAllowed, normalizePath } from '../plan/match.ts';
import type { HeaderEdit, Plan, PlanForward, PlanListener, PlanRoute } from '../plan/plan.ts';
import { editLines, explainPool, line } from './explain-pool.ts';
import type { DescribedRequest } from './explain-request.ts';
import { explainRules, type RuleVerdict } from './explain-rules.ts';

export interface ForwardFlags {
  readonly client: string;
  /** Who is logged in. */
  readonly user?: string;
  /** When it happens; left out: now. */
  readonly at?: string;
  /** What the destination resolves to; left out: name servers are asked. */
  readonly address?: readonly string[];
}

export interface ForwardRequest {
  readonly plan: Plan;
  readonly listener: PlanListener;
  readonly forward: PlanForward;
  readonly request: DescribedRequest;
  readonly resolver: ResolverConfig;
}

/** Throws SluiceError `config_invalid` for flags that cannot be understood. */
export async function explainForward(
  about: ForwardRequest,
  flags: ForwardFlags,
): Promise<readonly string[]> {
  const { plan, forward, request } = about;
  const time = flags.at === undefined ? localTime(new Date()) : readTime(flags.at);
  const given = (flags.address ?? []).map(readAddress);
  const destination = parseDestination(request.authority, request.scheme === 'tunnel' ? null : 80);
  const path = request.scheme === 'tunnel' ? null : normalizePath(request.path);
  const refusal = refusalOf(about, flags, destination, path);
  if (refusal !== null || destination === null) {
    return [line('answer', refusal ?? '400 destination_malformed')];
  }
  const lines = [line('to', describe(destination))];
  if (path !== null && path !== request.path)
    lines.push(line('path', `${path} in its normal form`));
  const question: DecisionQuestion = {
    ...{ client: flags.client, user: flags.user ?? null, destination, port: destination.port },
    ...{ method: request.method, path, time, address: null },
  };
  const found = new Addresses(about.resolver, destination, given);
  let verdicts = explainRules(plan, forward.rules, question);
  if (verdicts.at(-1)?.verdict === 'unknown') {
    const addresses = await found.all();
    if (addresses.length === 0) return [...lines, ...verdictLines(about, verdicts), found.failure];
    const each = addresses.map((address) => ({
      address,
      verdicts: explainRules(plan, forward.rules, { ...question, address }),
    }));
    const isAllowed = (one: (typeof each)[number]): boolean =>
      routeOf(about, one.verdicts)?.action.kind === 'pool';
    const deciding = each.find(isAllowed) ?? each[0];
    verdicts = deciding?.verdicts ?? verdicts;
    for (const one of each) {
      const route = routeOf(about, one.verdicts);
      const verb = isAllowed(one) ? 'allows' : 'denies';
      const what = `${one.address} (${classOf(one.address)})`;
      lines.push(line('address', `${what}: rule ${route?.name ?? ''} ${verb} it`));
    }
    const pool = poolOf(routeOf(about, verdicts));
    found.keep(
      each.flatMap((one) =>
        isAllowed(one) && poolOf(routeOf(about, one.verdicts)) === pool ? [one.address] : [],
      ),
    );
  }
  lines.push(...verdictLines(about, verdicts));
  const route = routeOf(about, verdicts);
  if (route === undefined || route.action.kind !== 'pool') {
    return [
      ...lines,
      line('answer', `${refused(request, '403 destination_denied')}: a rule denies it`),
    ];
  }
  return [...lines, ...(await explainWay(about, question, route, found, flags.client))];
}

/** What stops it before any rule is looked at. */
function refusalOf(
  { plan, forward, request }: ForwardRequest,
  { user }: ForwardFlags,
  destination: Destination | null,
  path: string | null,
): string | null {
  const isSocks = request.method === 'SOCKS';
  const isSpoken = isSocks
    ? forward.accepts.some((accept) => accept !== 'http')
    : forward.accepts.includes('http');
  if (!isSpoken)
    return `the connection ends: accept of the listener is ${forward.accepts.join(', ')}`;
  const users = forward.users === null ? null : plan.users[forward.users];
  if (users && !users.users.some(({ name }) => name === user)) {
    const who =
      user === undefined ? 'say who it is with --user' : `${users.file} has no user ${user}`;
    return `${isSocks ? 'the connection ends, ' : '407 '}proxy_auth_required: ${who}`;
  }
  if (request.scheme === 'https') {
    return '400 destination_malformed: https goes through CONNECT';
  }
  if (destination === null) {
    return `${refused(request, '400 destination_malformed')}: ${request.authority} is no host and port`;
  }
  if (request.scheme !== 'tunnel' && (path === null || !isQueryAllowed(request.query))) {
    return '400 request_malformed: the path or the query is not allowed';
  }
  return null;
}

/** SOCKS has replies of its own. */
const refused = ({ method }: DescribedRequest, answer: string): string =>
  method === 'SOCKS' ? `refused, ${answer.slice(4)}` : answer;

async function explainWay(
  about: ForwardRequest,
  question: DecisionQuestion,
  route: PlanRoute,
  found: Addresses,
  client: string,
): Promise<readonly string[]> {
  const { plan, forward, request } = about;
  const { method, port, destination } = question;
  const ports =
    method === 'CONNECT' ? forward.connectPorts : method === 'SOCKS' ? forward.socksPorts : null;
  if (ports !== null && !ports.some(({ first, last }) => port >= first && port <= last)) {
    const option = method === 'CONNECT' ? 'connectPorts' : 'socksPorts';
    const answer = refused(request, '403 destination_denied');
    return [line('answer', `${answer}: port ${port} is not in ${option}`)];
  }
  const pool = plan.pools[poolOf(route) ?? 0];
  const isDirect = pool?.kind === 'direct';
  const lines: string[] = [];
  if (isDirect || destination.kind === 'address') {
    const addresses = await found.all();
    if (addresses.length === 0) return [found.failure];
    const isPermitted = (address: string): boolean =>
      classOf(address) === 'public' || addressSetOf(forward.privateDestinations).has(address);
    for (const address of addresses) {
      const what = classOf(address);
      const verdict = isPermitted(address)
        ? what === 'public'
          ? ''
          : ', permitted by privateDestinations'
        : ', and so is not connected to';
      lines.push(line('', `${address} is ${what}${verdict}`));
    }
    const kept = addresses.filter(isPermitted);
    if (kept.length === 0) {
      const answer = refused(request, '403 destination_forbidden');
      return [...lines, line('answer', `${answer}: no address is public`)];
    }
    if (isDirect) {
      const texts = kept.map((one) => (one.includes(':') ? `[${one}]:${port}` : `${one}:${port}`));
      lines.push(line('connect', `to ${texts.join(', ')}`));
    }
  }
  if (!isDirect) lines.push(...explainPool(plan, pool, client).lines);
  if (!isDirect && destination.kind === 'name') {
    lines.push(line('', `the parent resolves ${destination.host}`));
  }
  if (method === 'CONNECT' || method === 'SOCKS') return lines;
  const isAbsolute = pool?.kind === 'http-parent';
  const target = `${isAbsolute ? `http://${request.authority}` : ''}${question.path}${request.query}`;
  return [
    ...lines,
    line('forward', `${method} ${target} HTTP/1.1`),
    line('', `Host: ${request.authority}`),
    ...privacyLines('request', route.requestEdits),
    ...privacyLines('response', route.responseEdits),
  ];
}

/** Many headers are removed and few are added. */
function privacyLines(what: string, edits: readonly HeaderEdit[]): string[] {
  const removed = edits.filter(({ op }) => op === 'remove').map(({ name }) => name);
  const others = edits.filter(({ op }) => op !== 'remove');
  const removal = removed.length === 0 ? [] : [line('', `${what}: remove ${removed.join(', ')}`)];
  return [...removal, ...editLines(what, others)];
}

function verdictLines(about: ForwardRequest, verdicts: readonly RuleVerdict[]): string[] {
  return verdicts.map(({ rule, verdict, reason }) => {
    const { name = '' } = about.plan.routes[about.listener.routes.first + rule] ?? {};
    return verdict === 'fails'
      ? line('', `passed over ${name}: ${reason}`)
      : line('rule', `${name}: ${reason}`);
  });
}

const routeOf = (
  { plan, listener }: ForwardRequest,
  verdicts: readonly RuleVerdict[],
): PlanRoute | undefined => plan.routes[listener.routes.first + (verdicts.at(-1)?.rule ?? 0)];

const poolOf = (route: PlanRoute | undefined): number | null =>
  route?.action.kind === 'pool' ? route.action.pool : null;

const classOf = (host: string) => addressClass(host.includes(':') ? 'ipv6' : 'ipv4', host);

const describe = ({ kind, host, port }: Destination): string =>
  `${host}, port ${port}${kind === 'address' ? '' : ', a name'}`;

/** The addresses of a destination, looked for when they are first needed. */
class Addresses {
  readonly #resolver: ResolverConfig;
  readonly #destination: Destination;
  #known: readonly string[] | null;
  failure = '';

  constructor(resolver: ResolverConfig, destination: Destination, given: readonly string[]) {
    this.#resolver = resolver;
    this.#destination = destination;
    this.#known = destination.kind === 'address' ? [destination.host] : null;
    if (this.#known === null && given.length > 0) this.#known = given;
  }

  keep(addresses: readonly string[]): void {
    this.#known = addresses;
  }

  /** None, and `failure` is a line, where there is none. */
  async all(): Promise<readonly string[]> {
    this.#known ??= await this.#resolve();
    return this.#known;
  }

  async #resolve(): Promise<readonly string[]> {
    const names = await Names.open(this.#resolver);
    try {
      const { addresses, error } = await names.addressesOf(this.#destination.host);
      const status = error === 'name_timeout' ? '504 name_timeout' : '502 name_not_found';
      this.failure = line('answer', `${status}: ${this.#destination.host} has no address`);
      return addresses.map(({ host }) => parseDestinationHost(host)?.host ?? host);
    } finally {
      names.close();
    }
  }
}

function readAddress(text: string): string {
  const found = isIP(text) === 0 ? null : parseDestinationHost(text);
  if (found?.kind === 'address') return found.host;
  throw new SluiceError('config_invalid', `--address ${text}: expected an IP address`);
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

function readTime(text: string): LocalTime {
  const [, day, hours = '', minutes = ''] =
    /^(?:([a-z]{3})\s+)?(\d{1,2}):(\d{2})$/.exec(text.trim()) ?? [];
  const minute = Number(hours) * 60 + Number(minutes);
  const weekday = day === undefined ? new Date().getDay() : DAYS.indexOf(day);
  if (hours === '' || weekday < 0 || Number(minutes) > 59 || minute > 1439) {
    throw new SluiceError('config_invalid', `--at ${text}: expected a time such as 'mon 08:00'`);
  }
  return { minute, weekday };
}
