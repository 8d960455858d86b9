import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DecisionQuestion, decide, localTime } from '../../../src/plan/decide.ts';
import { parseDestination } from '../../../src/plan/destination-host.ts';
import { buildHostSet, keyOf } from '../../../src/plan/host-set.ts';
import type {
  Cidr,
  HostMatch,
  PathMatch,
  PlanList,
  PlanRule,
  TimeWindow,
} from '../../../src/plan/plan.ts';
import { readVectors } from './vectors.ts';

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

type Fields = ReadonlyMap<string, string>;

const fieldsOf = (fields: readonly string[]): Fields =>
  new Map(fields.map((field) => [field.replace(/=.*/, ''), field.replace(/^[^=]*=/, '')]));

const valuesOf = (fields: Fields, key: string): string[] => fields.get(key)?.split(',') ?? [];

function cidrOf(text: string): Cidr {
  const [host = '', bits] = text.split('/');
  return { family: host.includes(':') ? 'ipv6' : 'ipv4', host, bits: Number(bits) };
}

const hostOf = (text: string): HostMatch =>
  text.startsWith('*.') ? { kind: 'suffix', value: text.slice(1) } : { kind: 'exact', value: text };

function pathOf(text: string | undefined): PathMatch {
  if (text === undefined) return { kind: 'any' };
  return text.endsWith('/*')
    ? { kind: 'prefix', value: text.slice(0, -2) }
    : { kind: 'exact', value: text };
}

function minuteOf(clock: string): number {
  const [hours, minutes] = clock.split(':').map(Number);
  return 60 * (hours ?? 0) + (minutes ?? 0);
}

function windowOf(text: string): TimeWindow {
  const [days = '', clocks = ''] = text.split(' ');
  const [from = '', to = ''] = clocks.split('-');
  return {
    days: DAYS.reduce((bits, day, i) => {
      return days === '*' || days.split('.').includes(day) ? bits | (1 << i) : bits;
    }, 0),
    fromMinute: minuteOf(from),
    toMinute: minuteOf(to),
  };
}

function ruleOf(fields: Fields, lists: readonly PlanList[]): PlanRule {
  return {
    clients: valuesOf(fields, 'clients').map(cidrOf),
    users: valuesOf(fields, 'users'),
    hosts: valuesOf(fields, 'hosts').map(hostOf),
    blocks: valuesOf(fields, 'blocks').map(cidrOf),
    lists: valuesOf(fields, 'lists').map((name) => lists.findIndex((list) => list.name === name)),
    ports: valuesOf(fields, 'ports').map((text) => {
      const [first = 0, last = first] = text.split('-').map(Number);
      return { first, last };
    }),
    methods: valuesOf(fields, 'methods'),
    path: pathOf(fields.get('path')),
    times: valuesOf(fields, 'times').map(windowOf),
  };
}

function listOf(name: string, hosts: string, blocks: string, hex: string): PlanList {
  const entries = hosts.split(' ').filter(Boolean);
  const bytes =
    entries.length === 0
      ? new Uint8Array(0)
      : buildHostSet(
          entries.map((text) => ({
            host: text.replace(/^\*?\./, ''),
            exact: !text.startsWith('*'),
            subdomains: /^\*?\./.test(text),
          })),
          keyOf(Buffer.from(hex, 'hex')),
        );
  assert.equal(Buffer.from(bytes).toString('hex'), hex);
  return {
    name,
    digest: '',
    hosts: bytes,
    blocks: blocks.split(' ').filter(Boolean).map(cidrOf),
  };
}

function questionOf(method: string, authority: string, fields: Fields): DecisionQuestion {
  const destination = parseDestination(authority, null);
  assert.ok(destination !== null, authority);
  const [day = '', clock = ''] = (fields.get('at') ?? 'wed 12:00').split(' ');
  const client = fields.get('client') ?? '192.0.2.1';
  return {
    client: client === "''" ? '' : client,
    user: fields.get('user') ?? null,
    destination,
    port: destination.port,
    method,
    path: fields.get('path') ?? null,
    time: { minute: minuteOf(clock), weekday: DAYS.indexOf(day) },
    address: fields.get('address') ?? null,
  };
}

test('rules decide as the shared vectors say', () => {
  let lists: PlanList[] = [];
  let rules: PlanRule[] = [];
  let names: string[] = [];
  let asked = 0;
  for (const [what, first = '', ...rest] of readVectors('decide')) {
    if (what === 'rules') [lists, rules, names] = [[], [], []];
    if (what === 'list') lists.push(listOf(first, rest[0] ?? '', rest[1] ?? '', rest[2] ?? ''));
    if (what === 'rule') {
      rules.push(ruleOf(fieldsOf(rest), lists));
      names.push(first);
    }
    if (what !== 'ask') continue;
    const [method = '', authority = '', ...fields] = rest;
    const question = questionOf(method, authority, fieldsOf(fields));
    const decision = decide({ lists }, { rules }, question);
    const actual = decision.kind === 'rule' ? names[decision.rule] : '?';
    assert.equal(actual, first, [method, authority, ...fields].join(' '));
    asked++;
  }
  assert.ok(asked > 120);
});

test('the time of day is that of the clock on the wall', () => {
  assert.deepEqual(localTime(new Date(2024, 1, 29, 23, 59, 59)), { minute: 1439, weekday: 4 });
  assert.deepEqual(localTime(new Date(2024, 2, 3)), { minute: 0, weekday: 0 });
});
