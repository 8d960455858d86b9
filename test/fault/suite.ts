// Faults: what an engine must live through. Every scenario runs against every engine; those that end processes,
// limit them or weigh them have the engine in a process of its own.
import { describe, it } from 'node:test';
import { nothingIsLeft } from '../support/alive.ts';
import { within } from '../support/deadline.ts';
import { Random, runSeed } from '../support/random.ts';
import type { CreateEngine } from '../support/running-engine.ts';
import { Scope } from '../support/scope.ts';
import { clientFaults } from './clients.ts';
import { processFaults } from './processes.ts';
import { tcpFaults } from './streams.ts';
import { targetFaults } from './targets.ts';

export interface FaultContext {
  readonly engine: string;
  readonly create: CreateEngine;
  readonly scope: Scope;
  readonly random: Random;
}

export interface Scenario {
  readonly name: string;
  readonly deadlineMs?: number;
  readonly run: (context: FaultContext) => Promise<void>;
}

const SCENARIOS: readonly Scenario[] = [
  ...targetFaults,
  ...clientFaults,
  ...tcpFaults,
  ...processFaults,
];

export function describeFaults(engine: string, create: CreateEngine): void {
  describe(`${engine}: faults`, () => {
    for (const scenario of SCENARIOS) {
      it(scenario.name, async (t) => {
        const scope = new Scope();
        const random = new Random(runSeed());
        t.diagnostic(`SLUICE_FAULT_SEED=${random.seed}`);
        const deadlineMs = scenario.deadlineMs ?? 60_000;
        try {
          await within(
            scenario.run({ engine, create, scope, random }),
            'the scenario to end',
            deadlineMs,
          );
        } finally {
          await scope.close();
        }
      });
    }

    it('leaves nothing behind that keeps a process alive', nothingIsLeft);
  });
}
