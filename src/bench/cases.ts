// What a case is, and what its tables are made of. The cases themselves are in scenarios/.
import type { Protocol } from './contestant.ts';
import type { GoalRecord, Metric, ScenarioName, Series, Unit } from './report.ts';
import { type Arrival, arrivalOf, type Work } from './work.ts';

/** Which port of the origin a case needs. */
export type OriginPort = 'http' | 'echo' | 'source' | 'sink' | 'udp';

export interface Case {
  readonly id: string;
  readonly scenario: ScenarioName;
  readonly title: string;
  readonly protocol: Protocol;
  readonly unit: Unit;
  readonly contestants: readonly string[];
  readonly work: Work;
  readonly goals: readonly GoalRecord[];
  readonly series: Series | null;
  /** Worker threads of each contestant. */
  readonly workers: number;
  /** The work comes at this share of the peak rate of `of` (in a closed loop), known once it was measured. */
  readonly peakShare: PeakShare | null;
}

export interface PeakShare {
  readonly of: string;
  readonly share: number;
}

/** Which cases there are depends on how long they may take and on the machine. */
export interface Extent {
  readonly isQuick: boolean;
  /** Worker threads at most, in the scenario `scale`. */
  readonly cores: number;
}

export const REQUEST: Unit = { name: 'request', cost: 'µs', scale: 1e6, rate: 'requests/s' };
export const HANDSHAKE: Unit = {
  name: 'handshake and its request',
  cost: 'µs',
  scale: 1e6,
  rate: 'handshakes/s',
};
export const TUNNEL: Unit = {
  name: 'tunnel and one echo through it',
  cost: 'µs',
  scale: 1e6,
  rate: 'tunnels/s',
};
export const MESSAGE: Unit = {
  name: 'message and its echo',
  cost: 'µs',
  scale: 1e6,
  rate: 'messages/s',
};
export const DATAGRAM: Unit = {
  name: 'datagram and its echo',
  cost: 'µs',
  scale: 1e6,
  rate: 'datagrams/s',
};
export const GIGABYTE: Unit = { name: 'GB', cost: 's', scale: 1, rate: 'GB/s' };
export const CLIENT: Unit = { name: 'client', cost: 'µs', scale: 1e6, rate: 'clients' };

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const SMALL_BYTES = 100;

/** The usual case: one worker, no goals, no curve. */
export function plainCase(
  parts: Pick<Case, 'id' | 'scenario' | 'title' | 'protocol' | 'unit' | 'contestants' | 'work'> &
    Partial<Case>,
): Case {
  return { goals: [], series: null, workers: 1, peakShare: null, ...parts };
}

/** `metric(native) / metric(to) <= most`. */
export function atMost(most: number, to: string, metric: Metric = 'cost'): GoalRecord {
  return { metric, of: 'native', to, most };
}

export function originPort({ work }: Case): OriginPort {
  switch (work.kind) {
    case 'http':
    case 'idle':
      return 'http';
    case 'tcp-bulk':
      return work.mode === 'pull' ? 'source' : 'sink';
    case 'tcp-echo':
    case 'tunnels':
      return 'echo';
    case 'udp-echo':
      return 'udp';
  }
}

export function arrivalKind({ work, peakShare }: Case): Arrival['kind'] {
  return peakShare === null ? arrivalOf(work).kind : 'poisson';
}

/** Cases of one group are measured with the same running contestants: the points of a curve. */
export function groupOf({ id, scenario, series, workers }: Case): string {
  return series === null ? id : `${scenario}/${series.name}/${workers}`;
}
