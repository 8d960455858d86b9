// The contract that every engine signs: the same cases run against each. An engine may skip a case only by
// name and with a reason; a skip that names no case fails, and so does one whose case would pass. At the end
// the outcome goes to build/contract-<engine>.json, from which the documentation's table is made.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, describe, it, type TestContext, test } from 'node:test';
import type { Capabilities } from '../../src/engine/engine.ts';
import { nothingIsLeft } from '../support/alive.ts';
import { CASES_AT_ONCE } from '../support/concurrency.ts';
import { within } from '../support/deadline.ts';
import type { CreateEngine } from '../support/running-engine.ts';
import { Scope } from '../support/scope.ts';
import { type Case, CaseContext, type Feature } from './case.ts';
import { FEATURES } from './features.ts';

export interface Skip {
  readonly reason: string;
  /** Full names: `feature: sentence`. */
  readonly cases: readonly string[];
}

export interface EngineUnderTest {
  readonly name: string;
  readonly create: CreateEngine;
  readonly skip?: readonly Skip[];
}

type Outcome =
  | { readonly outcome: 'passed' | 'failed' | 'not offered' }
  | { readonly outcome: 'skipped'; readonly reason: string };

const CASE_DEADLINE_MS = 60_000;

export function describeEngine(under: EngineUnderTest): void {
  const skips = skipsByCase(under.skip ?? []);
  const outcomes = new Map<string, Outcome>();

  test(`${under.name}: every skip names a case`, () => {
    const known = new Set(FEATURES.flatMap((f) => f.cases.map((c) => fullName(f, c))));
    assert.equal(known.size, FEATURES.flatMap((f) => f.cases).length, 'case names are unique');
    const unknown = [...skips.keys()].filter((name) => !known.has(name));
    assert.deepEqual(unknown, []);
  });

  for (const feature of FEATURES) {
    const concurrency = feature.isSerial ? 1 : CASES_AT_ONCE;
    describe(`${under.name}: ${feature.name}`, { concurrency }, () => {
      for (const one of feature.cases) {
        const name = fullName(feature, one);
        it(one.name, (t) => runCase(under, one, skips.get(name), t, (o) => outcomes.set(name, o)));
      }
    });
  }

  test(`${under.name}: leaves nothing behind that keeps a process alive`, nothingIsLeft);

  after(() => writeTable(under.name, outcomes));
}

async function runCase(
  under: EngineUnderTest,
  one: Case,
  skipReason: string | undefined,
  t: TestContext,
  report: (outcome: Outcome) => void,
): Promise<void> {
  if (one.needs && !one.needs(capabilitiesOf(under))) {
    report({ outcome: 'not offered' });
    t.skip('the engine does not offer this');
    return;
  }
  const failure = await attempt(under, one);
  if (skipReason === undefined) {
    report({ outcome: failure === undefined ? 'passed' : 'failed' });
    if (failure !== undefined) throw failure;
    return;
  }
  if (failure === undefined) {
    report({ outcome: 'failed' });
    assert.fail(`skip no longer needed: the case passes (${skipReason})`);
  }
  report({ outcome: 'skipped', reason: skipReason });
  t.skip(skipReason);
}

/** Runs a case with a scope of its own; resolves with what it failed with. */
async function attempt(under: EngineUnderTest, one: Case): Promise<Error | undefined> {
  const scope = new Scope();
  let failure: unknown;
  try {
    await within(
      one.run(new CaseContext(under.create, scope)),
      'the case to end',
      CASE_DEADLINE_MS,
    );
  } catch (error) {
    failure = error;
  }
  try {
    await within(scope.close(), 'everything to close');
  } catch (error) {
    failure ??= error;
  }
  if (failure === undefined) return undefined;
  return failure instanceof Error ? failure : new Error(String(failure));
}

let capabilities: Capabilities | undefined;

function capabilitiesOf(under: EngineUnderTest): Capabilities {
  capabilities ??= under.create({ workers: 1, onWarning: () => {} }).capabilities;
  return capabilities;
}

function fullName(feature: Feature, one: Case): string {
  return `${feature.name}: ${one.name}`;
}

function skipsByCase(skips: readonly Skip[]): Map<string, string> {
  return new Map(skips.flatMap(({ reason, cases }) => cases.map((name) => [name, reason])));
}

function writeTable(engine: string, outcomes: ReadonlyMap<string, Outcome>): void {
  const features = FEATURES.map((feature) => ({
    feature: feature.name,
    cases: feature.cases.map((one) => ({
      case: one.name,
      ...(outcomes.get(fullName(feature, one)) ?? { outcome: 'not run' }),
    })),
  }));
  const folder = new URL('../../build/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const table = { engine, node: process.version, features };
  writeFileSync(new URL(`contract-${engine}.json`, folder), `${JSON.stringify(table, null, 2)}\n`);
}
