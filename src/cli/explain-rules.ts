// Why a rule of a forward proxy decides, and why those before it do not, in words.

import { addressSetOf } from '../plan/address-set.ts';
import {
  CONDITIONS,
  type DecisionQuestion,
  destinationVerdict,
  type Verdict,
} from '../plan/decide.ts';
import { hostSetOf } from '../plan/host-set.ts';
import { matchesHost } from '../plan/match.ts';
import type { Cidr, HostMatch, PathMatch, Plan, PlanRule, TimeWindow } from '../plan/plan.ts';

export interface RuleVerdict {
  readonly rule: number;
  readonly verdict: Verdict;
  readonly reason: string;
}

/** Every rule that is looked at, in order; the last one decides, or needs an address to tell. */
export function explainRules(
  plan: Plan,
  rules: readonly PlanRule[],
  question: DecisionQuestion,
): readonly RuleVerdict[] {
  const verdicts: RuleVerdict[] = [];
  for (const [rule, conditions] of rules.entries()) {
    const missed = CONDITIONS.find((one) => !one.holds(conditions, question));
    const verdict = missed === undefined ? destinationVerdict(plan, conditions, question) : 'fails';
    const reason =
      missed !== undefined
        ? MISSES[missed.name](conditions, question)
        : describeDestination(plan, conditions, question, verdict);
    verdicts.push({ rule, verdict, reason });
    if (verdict !== 'fails') break;
  }
  return verdicts;
}

type Miss = (rule: PlanRule, question: DecisionQuestion) => string;

const MISSES: Readonly<Record<(typeof CONDITIONS)[number]['name'], Miss>> = {
  methods: ({ methods }, { method }) => `method ${method} is not ${oneOf(methods)}`,
  ports: ({ ports }, { port }) =>
    `port ${port} is not ${oneOf(ports.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)))}`,
  times: ({ times }, { time }) =>
    `${DAYS[time.weekday]} ${clock(time.minute)} is not within ${oneOf(times.map(windowText))}`,
  users: ({ users }, { user }) =>
    user === null ? 'nobody is logged in' : `user ${user} is not ${oneOf(users)}`,
  clients: ({ clients }, { client }) =>
    `client ${client} is not in ${oneOf(clients.map(blockText))}`,
  path: ({ path }, question) =>
    question.path === null
      ? 'nobody sees a path in a tunnel'
      : `path ${question.path} is not ${pathText(path)}`,
};

function describeDestination(
  plan: Plan,
  rule: PlanRule,
  question: DecisionQuestion,
  verdict: Verdict,
): string {
  const { host } = question.destination;
  if (verdict === 'unknown') return `whether it matches depends on the addresses of ${host}`;
  const lists = rule.lists.flatMap((at) => plan.lists[at] ?? []);
  if (verdict === 'fails') {
    const wanted = [
      ...rule.hosts.map(hostText),
      ...rule.blocks.map(blockText),
      ...lists.map(({ name }) => `list ${name}`),
    ];
    const judged = question.address === null ? host : `${host} at ${question.address}`;
    return `${judged} is not in ${oneOf(wanted)}`;
  }
  const given = rule.hosts.length + rule.blocks.length + lists.length;
  if (given === 0) return isEverything(rule) ? 'matches everything' : 'all that it asks for holds';
  const address = question.destination.kind === 'name' ? question.address : host;
  const byHost = rule.hosts.find((one) => matchesHost(one, host));
  if (byHost !== undefined) return `${host} is ${hostText(byHost)}`;
  const byName = lists.find((list) => hostSetOf(list.hosts).has(host));
  if (byName !== undefined) return `${host} is in list ${byName.name}`;
  const holds = (blocks: readonly Cidr[]): boolean =>
    address !== null && addressSetOf(blocks).has(address);
  const judged = address === host ? host : `${host} has ${address}, which`;
  const block = rule.blocks.find((one) => holds([one]));
  if (block !== undefined) return `${judged} is in ${blockText(block)}`;
  return `${judged} is in list ${lists.find((list) => holds(list.blocks))?.name ?? ''}`;
}

function isEverything(rule: PlanRule): boolean {
  const { clients, users, ports, methods, times, path } = rule;
  const lists = [clients, users, ports, methods, times];
  return lists.every((list) => list.length === 0) && path.kind === 'any';
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const MOST_SHOWN = 8;

function oneOf(texts: readonly string[]): string {
  const shown = texts.slice(0, MOST_SHOWN).join(', ');
  const rest = texts.length - MOST_SHOWN;
  const all = rest > 0 ? `${shown} and ${rest} more` : shown;
  return texts.length > 1 ? `any of ${all}` : all;
}

const hostText = (host: HostMatch): string =>
  host.kind === 'any' ? '*' : host.kind === 'suffix' ? `*${host.value}` : host.value;

const blockText = ({ family, host, bits }: Cidr): string =>
  bits === (family === 'ipv4' ? 32 : 128) ? host : `${host}/${bits}`;

function pathText(path: PathMatch): string {
  if (path.kind === 'exact') return path.value;
  return path.kind === 'prefix' ? `below ${path.value}/` : '*';
}

function clock(minute: number): string {
  const digits = (value: number): string => String(value).padStart(2, '0');
  return `${digits(Math.floor(minute / 60))}:${digits(minute % 60)}`;
}

function windowText({ days, fromMinute, toMinute }: TimeWindow): string {
  const named = DAYS.filter((_, i) => (days >> i) & 1);
  const when = named.length === DAYS.length ? '' : `${named.join('+')} `;
  return `${when}${clock(fromMinute)}-${clock(toMinute)}`;
}
