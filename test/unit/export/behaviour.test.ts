// What is exported does what we do: each program runs the export of a configuration beside the js engine with the same
// configuration, and both get the same requests. Compared are the answers and what arrived at the targets.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { createJsEngine } from '../../../src/engine/js/engine.ts';
import { fetchOnce } from '../../support/http-client.ts';
import { type HttpTarget, ok, startHttpTarget } from '../../support/http-target.ts';
import { startEngine } from '../../support/running-engine.ts';
import { Scope } from '../../support/scope.ts';
import type { Field } from '../../support/strict-http.ts';
import { missing, PROGRAMS, type ProgramName, startProgram } from './programs.ts';
import { type Asked, SCENARIOS, type Scenario } from './scenarios.ts';

/** Which hop says what about itself. */
const OF_A_HOP = [
  'date',
  'server',
  'connection',
  'keep-alive',
  'proxy-status',
  'transfer-encoding',
  'content-length',
];

interface Seen {
  readonly status: number;
  readonly body: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly atTarget: object | null;
}

for (const program of PROGRAMS) {
  describe(`an export to ${program}`, { skip: missing(program) }, () => {
    for (const scenario of SCENARIOS) {
      const scope = new Scope();
      after(() => scope.close());
      it(`keeps ${scenario.name}`, () => compare(program, scenario, scope));
    }
  });
}

async function compare(program: ProgramName, scenario: Scenario, scope: Scope): Promise<void> {
  const answer = (): Buffer => ok('from the target', scenario.answers ?? {});
  const targets = [
    scope.own(await startHttpTarget({ answer })),
    scope.own(await startHttpTarget({ answer })),
  ];
  const make = (address: string): object =>
    scenario.config(
      address,
      targets.map((target) => target.address),
    );
  const engine = scope.own(await startEngine(createJsEngine, make('127.0.0.1:0')));
  const running = scope.own(await startProgram(program, make));
  const failures: string[] = [];
  for (const request of scenario.requests) {
    const asked: Asked = typeof request === 'string' ? { target: request } : request;
    const ours = await ask(engine.port('web'), asked, targets);
    const theirs = await ask(running.port, asked, targets);
    const differs = asked.differs?.[program];
    const what = `${asked.method ?? 'GET'} ${asked.target.slice(0, 60)} ${JSON.stringify(asked.fields ?? {}).slice(0, 100)}`;
    try {
      if (differs === undefined) assert.deepEqual(theirs, ours, what);
      else assert.notDeepEqual(theirs, ours, `${what} no longer differs (${differs})`);
    } catch (error) {
      failures.push((error as Error).message);
    }
  }
  assert.equal(failures.length, 0, failures.join('\n\n'));
}

async function ask(port: number, asked: Asked, targets: readonly HttpTarget[]): Promise<Seen> {
  const before = targets.map(({ requests }) => requests.length);
  const { method = 'GET', target, body = '' } = asked;
  const fields = { Host: 'site.example:8080', ...asked.fields };
  const answer = await fetchOnce(port, method, target, fields, body);
  const arrived = targets.flatMap((one, i) =>
    one.requests.slice(before[i]).map((request) => ({
      target: i,
      method: request.method,
      path: request.target,
      body: request.body.toString('latin1'),
      fields: comparable(request.fields),
    })),
  );
  assert.ok(arrived.length <= 1, `${target} arrived ${arrived.length} times`);
  // A refusal's page is the program's own.
  const isOwnPage = arrived.length === 0 && [400, 413, 414, 431, 502].includes(answer.status);
  const isRedirect = [301, 302, 303, 307, 308].includes(answer.status) && arrived.length === 0;
  return {
    status: answer.status,
    body: isOwnPage || isRedirect ? '' : answer.text,
    fields: isOwnPage ? {} : comparable(answer.fields, isRedirect ? ['content-type'] : []),
    atTarget: arrived[0] ?? null,
  };
}

/** Names without case and in order, values of one name joined; without what each hop says about itself. */
function comparable(
  fields: readonly Field[],
  ignored: readonly string[] = [],
): Record<string, string> {
  const values = new Map<string, string[]>();
  for (const { name, value } of fields) {
    const key = name.toLowerCase();
    if (OF_A_HOP.includes(key) || ignored.includes(key)) continue;
    values.set(key, [...(values.get(key) ?? []), value]);
  }
  return Object.fromEntries(
    [...values].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, all]) => [name, all.join(', ')]),
  );
}
