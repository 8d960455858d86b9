// Samples to figures: the cost of each contestant, our ratio to each other, and whether the goals are met.
import type { ContestantId } from './contestant.ts';
import { IDLE_GOAL_BYTES, type IdleResult } from './idle.ts';
import type { CaseResult, Sample } from './measure.ts';
import type { Scenario } from './scenarios.ts';
import { median, pairedRatio, type Ratio, type Spread, spread } from './statistics.ts';

export interface Figure {
  readonly contestant: ContestantId;
  /** In the unit's cost for a piece of work. */
  readonly cost: Spread;
  readonly userCost: number;
  readonly machineCost: number;
  readonly rate: number;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  /** Datagrams lost for each one answered. */
  readonly loss: number;
  readonly samples: number;
  readonly unused: number;
}

export interface Verdict {
  readonly what: string;
  readonly ratio: Ratio | null;
  readonly value: number | null;
  readonly goal: string | null;
  /** Null without a goal or without figures. */
  readonly isMet: boolean | null;
  /** The goal lies within the interval: more rounds could turn the verdict. */
  readonly isClose: boolean;
}

export interface Summary {
  readonly id: string;
  readonly figures: readonly Figure[];
  readonly verdicts: readonly Verdict[];
}

export function summarise(scenario: Scenario, result: CaseResult): Summary {
  const used = result.samples.filter((sample) => sample.errors.length === 0 && sample.work > 0);
  const figures = scenario.contestants.flatMap((id) => {
    const all = result.samples.filter((sample) => sample.contestant === id);
    const own = used.filter((sample) => sample.contestant === id);
    if (own.length === 0) return [];
    return [figureOf(id, scenario, own, all.length - own.length)];
  });
  const verdicts: Verdict[] = scenario.contestants
    .filter((id) => id !== 'native')
    .map((id) => ratioVerdict(scenario, id, costs(used, 'native'), costs(used, id)));
  for (const goal of scenario.goals) {
    if (goal.kind !== 'user') continue;
    const value = figures.find((figure) => figure.contestant === 'native')?.userCost ?? null;
    const isMet = value === null ? null : value <= goal.most;
    const what = `native, user code a ${scenario.unit.name}`;
    verdicts.push({ what, ratio: null, value, goal: goal.text, isMet, isClose: false });
  }
  return { id: result.id, figures, verdicts };
}

function figureOf(
  contestant: ContestantId,
  { unit }: Scenario,
  samples: readonly Sample[],
  unused: number,
): Figure {
  const per = (of: (sample: Sample) => number): readonly number[] =>
    samples.map((sample) => (of(sample) / sample.work) * unit.scale);
  const latency = (of: 'p50' | 'p99'): number | null => {
    const known = samples.flatMap(({ latencyUs }) => (latencyUs ? [latencyUs[of]] : []));
    return known.length > 0 ? median(known) : null;
  };
  return {
    contestant,
    cost: spread(per((sample) => sample.cpuSeconds)),
    userCost: median(per((sample) => sample.userSeconds)),
    machineCost: median(per((sample) => sample.machineBusySeconds)),
    rate: median(samples.map((sample) => sample.rate)),
    p50Us: latency('p50'),
    p99Us: latency('p99'),
    loss: median(samples.map((sample) => sample.loss)),
    samples: samples.length,
    unused,
  };
}

function costs(samples: readonly Sample[], id: ContestantId): ReadonlyMap<number, number> {
  const own = samples.filter((sample) => sample.contestant === id);
  return new Map(own.map((sample) => [sample.round, sample.cpuSeconds / sample.work]));
}

function ratioVerdict(
  { goals }: Scenario,
  to: ContestantId,
  ours: ReadonlyMap<number, number>,
  theirs: ReadonlyMap<number, number>,
): Verdict {
  const measured = pairedRatio(ours, theirs);
  const ratio = measured.pairs > 0 ? measured : null;
  const goal = goals.find((candidate) => candidate.kind === 'ratio' && candidate.to === to);
  return {
    what: `native / ${to}`,
    ratio,
    value: ratio?.median ?? null,
    goal: goal?.text ?? null,
    isMet: goal && ratio ? ratio.median <= goal.most : null,
    isClose:
      goal !== undefined && ratio !== null && ratio.low <= goal.most && ratio.high > goal.most,
  };
}

export interface IdleFigure {
  readonly contestant: ContestantId;
  readonly bytesPerClient: Spread;
  readonly baseBytes: number;
}

export interface IdleSummary {
  readonly id: string;
  readonly figures: readonly IdleFigure[];
  readonly verdicts: readonly Verdict[];
}

export function summariseIdle(result: IdleResult): IdleSummary {
  const ids = [...new Set(result.samples.map((sample) => sample.contestant))];
  const figures = ids.map((contestant) => {
    const own = result.samples.filter((sample) => sample.contestant === contestant);
    return {
      contestant,
      bytesPerClient: spread(own.map((sample) => sample.bytesPerClient)),
      baseBytes: median(own.map((sample) => sample.memory[0]?.pssBytes ?? Number.NaN)),
    };
  });
  const value = figures.find(({ contestant }) => contestant === 'native')?.bytesPerClient.median;
  const verdict: Verdict = {
    what: 'native, bytes for an idle client',
    ratio: null,
    value: value ?? null,
    goal: `≤ ${IDLE_GOAL_BYTES}`,
    isMet: value === undefined ? null : value <= IDLE_GOAL_BYTES,
    isClose: false,
  };
  return { id: result.id, figures, verdicts: [verdict] };
}
