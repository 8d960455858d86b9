// What becomes of a request to a forward proxy: the first rule that matches decides. The reference for meaning, pure; the
// native engine does the same in native/policy/decide, and test/vectors/decide.txt binds both.
import { addressSetOf } from './address-set.ts';
import type { DestinationHost } from './destination-host.ts';
import { hostSetOf } from './host-set.ts';
import { matchesHost, matchesPath } from './match.ts';
import type { Plan, PlanForward, PlanRule, TimeWindow } from './plan.ts';

export interface DecisionQuestion {
  /** The text of the client's address; '' when it has none. */
  readonly client: string;
  readonly user: string | null;
  readonly destination: DestinationHost;
  readonly port: number;
  /** As received; CONNECT and SOCKS for tunnels. */
  readonly method: string;
  /** In normal form; null for tunnels, whose paths nobody sees. */
  readonly path: string | null;
  readonly time: LocalTime;
  /** The text of one address of a destination that is a name; null while none is known. */
  readonly address: string | null;
}

/** By the clock on the wall. */
export interface LocalTime {
  /** Of the day, 0 to 1439. */
  readonly minute: number;
  /** 0 = Sunday. */
  readonly weekday: number;
}

export type Decision =
  | {
      readonly kind: 'rule';
      /** Position in the rules, and in the listener's routes. */
      readonly rule: number;
    }
  /** It depends on the addresses of the name: resolve it, and ask again for each. */
  | { readonly kind: 'needs-addresses' };

/** What a condition says; unknown = it takes an address to tell. */
export type Verdict = 'holds' | 'fails' | 'unknown';

export function decide(
  plan: Pick<Plan, 'lists'>,
  forward: Pick<PlanForward, 'rules'>,
  question: DecisionQuestion,
): Decision {
  for (const [rule, conditions] of forward.rules.entries()) {
    if (!doOthersHold(conditions, question)) continue;
    const verdict = destinationVerdict(plan, conditions, question);
    if (verdict === 'holds') return { kind: 'rule', rule };
    if (verdict === 'unknown') return { kind: 'needs-addresses' };
  }
  // Plans end with a rule that matches everything.
  return { kind: 'rule', rule: forward.rules.length - 1 };
}

/** Everything but the destination's host. */
function doOthersHold(rule: PlanRule, question: DecisionQuestion): boolean {
  return CONDITIONS.every((condition) => condition.holds(rule, question));
}

interface Condition {
  readonly name: 'methods' | 'ports' | 'times' | 'users' | 'clients' | 'path';
  holds(rule: PlanRule, question: DecisionQuestion): boolean;
}

/** In the order in which they are cheap. */
export const CONDITIONS: readonly Condition[] = [
  {
    name: 'methods',
    holds: ({ methods }, { method }) => methods.length === 0 || methods.includes(method),
  },
  {
    name: 'ports',
    holds: ({ ports }, { port }) =>
      ports.length === 0 || ports.some(({ first, last }) => port >= first && port <= last),
  },
  {
    name: 'times',
    holds: ({ times }, { time }) =>
      times.length === 0 || times.some((window) => isWithin(window, time)),
  },
  {
    name: 'users',
    holds: ({ users }, { user }) => users.length === 0 || (user !== null && users.includes(user)),
  },
  {
    name: 'clients',
    holds: ({ clients }, { client }) => clients.length === 0 || addressSetOf(clients).has(client),
  },
  {
    name: 'path',
    holds: ({ path }, question) =>
      path.kind === 'any' || (question.path !== null && matchesPath(path, question.path)),
  },
];

/** One of the hosts, blocks and lists holds, or none is given. */
export function destinationVerdict(
  plan: Pick<Plan, 'lists'>,
  { hosts, blocks, lists }: PlanRule,
  { destination, address }: DecisionQuestion,
): Verdict {
  if (hosts.length === 0 && blocks.length === 0 && lists.length === 0) return 'holds';
  const { host } = destination;
  const isName = destination.kind === 'name';
  // Suffixes are of names.
  if (hosts.some((one) => (isName || one.kind !== 'suffix') && matchesHost(one, host)))
    return 'holds';
  const named = lists.flatMap((at) => plan.lists[at] ?? []);
  if (named.some((list) => hostSetOf(list.hosts).has(host))) return 'holds';
  const sets = [blocks, ...named.map((list) => list.blocks)].filter((one) => one.length > 0);
  if (sets.length === 0) return 'fails';
  const judged = isName ? address : host;
  if (judged === null) return 'unknown';
  return sets.some((set) => addressSetOf(set).has(judged)) ? 'holds' : 'fails';
}

export function isWithin(
  { days, fromMinute, toMinute }: TimeWindow,
  { minute, weekday }: LocalTime,
): boolean {
  const beginsOn = (day: number): boolean => ((days >> day) & 1) === 1;
  if (toMinute > fromMinute) return beginsOn(weekday) && minute >= fromMinute && minute < toMinute;
  // Over midnight: it began today, or it began yesterday and has not ended.
  return (
    (beginsOn(weekday) && minute >= fromMinute) ||
    (beginsOn((weekday + 6) % 7) && minute < toMinute)
  );
}

export function localTime(now: Date): LocalTime {
  return { minute: now.getHours() * 60 + now.getMinutes(), weekday: now.getDay() };
}
