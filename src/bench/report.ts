// What a bench run leaves behind: report.json holds one Report, and everything shown (the terminal, report.html,
// docs/performance.md, compare, assert) is computed from it. Types only; format changes whenever their meaning does.

export const REPORT_FORMAT = 2;

export interface Report {
  readonly format: typeof REPORT_FORMAT;
  /** ISO 8601, when the run began. */
  readonly at: string;
  /** Length of the run. */
  readonly wallSeconds: number;
  readonly machine: Machine;
  readonly method: Method;
  /** Everyone who was asked to take part, in the order of presentation. */
  readonly contestants: readonly ContestantInfo[];
  /** What the reader must know before the figures: a missing rival, a busy or unpinned machine, a quick run. */
  readonly notes: readonly string[];
  readonly cases: readonly CaseRecord[];
  /** From the scenario `strategies`; empty when it did not run. */
  readonly strategies: readonly StrategyFigure[];
}

export interface Machine {
  readonly host: string;
  readonly kernel: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly distribution: string;
  readonly nodeVersion: string;
  readonly commit: string;
  /** Whether files differ from the commit. */
  readonly isModified: boolean;
  /** Runnable load before the run began: a busy machine gives poor figures. */
  readonly loadAverage: number;
  /** `own`: a network namespace made for the run, with the kernel's defaults; `host`: the machine's own network. */
  readonly network: 'own' | 'host';
  /** TCP congestion control in force, such as cubic or bbr. */
  readonly congestionControl: string;
}

export interface Method {
  readonly isQuick: boolean;
  readonly rounds: number;
  /** Of one sample. */
  readonly seconds: number;
  readonly proxyCores: readonly number[];
  readonly loadCores: readonly number[];
  /** False when programs could not be pinned; why is in the notes. */
  readonly isPinned: boolean;
  readonly driver: HttpDriver;
  /** Versions of what makes the load: our generators carry the project's. */
  readonly driverVersion: string;
}

export type HttpDriver = 'native' | 'wrk' | 'autocannon';

export interface ContestantInfo {
  /** Stable and short, such as `native`, `js`, `uws`, `nginx`, `haproxy`, `haproxy-splice`, `http-proxy`, `direct`. */
  readonly id: string;
  readonly label: string;
  /** Null when it is missing. */
  readonly version: string | null;
  /** Why it takes no part, with the remedy; null when it does. */
  readonly missing: string | null;
}

/** One kind of work, done by each contestant. */
export interface CaseRecord {
  /** `<scenario>/<case>`, such as `rivals/http-small-64`; unique within a report. */
  readonly id: string;
  readonly scenario: ScenarioName;
  readonly title: string;
  /** How the load arrives. `closed`: the next piece of work waits for the answer; else open at a rate. */
  readonly arrival: 'closed' | 'fixed' | 'poisson';
  readonly unit: Unit;
  /** Cases of one series are points of the same curve, drawn over `axis` in the order of `value`. */
  readonly series: Series | null;
  readonly goals: readonly GoalRecord[];
  /** The Sluice configuration that all contestants' ones are made from; null where a case has none. */
  readonly configuration: string | null;
  /** Exact text of what each contestant was started with. */
  readonly configurations: Readonly<Record<string, string>>;
  /** Contestants without a figure, with the reason: it did not start, or answered wrongly. */
  readonly absent: Readonly<Record<string, string>>;
  readonly samples: readonly Sample[];
  /** With --syscalls: calls of a contestant for a piece of work, by name; or why there are no counts. */
  readonly syscalls: readonly SyscallRecord[];
}

export const SCENARIO_NAMES = [
  'layers',
  'engines',
  'rivals',
  'tls',
  'forward',
  'strategies',
  'scale',
] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];

export interface Unit {
  /** Of a piece of work: `request`, `GB`, `datagram and its echo`. */
  readonly name: string;
  /** Unit of cost: `µs` or `s`. */
  readonly cost: string;
  /** CPU seconds times this are in the unit of cost. */
  readonly scale: number;
  /** Unit of throughput, such as `requests/s`. */
  readonly rate: string;
}

export interface Series {
  /** Unique within the scenario, such as `latency-http-small`. */
  readonly name: string;
  readonly title: string;
  /** What `value` counts, with its unit, such as `requests/s`, `workers`, `connections`, `bytes of body`. */
  readonly axis: string;
  readonly value: number;
  /** What is worth drawing over the axis. */
  readonly show: 'cost' | 'rate' | 'latency';
  readonly isLogarithmic: boolean;
}

/** `metric(of) / metric(to) <= most`, or `metric(of) <= most` where `to` is null. */
export interface GoalRecord {
  readonly metric: Metric;
  readonly of: string;
  readonly to: string | null;
  readonly most: number;
}

/** Metrics of a sample, as the expressions of `bench assert` name them. */
export const METRICS = ['cost', 'user', 'machine', 'rate', 'p50', 'p99', 'p999', 'memory'] as const;
export type Metric = (typeof METRICS)[number];

export interface Sample {
  readonly contestant: string;
  readonly round: number;
  /** Place within its round. */
  readonly position: number;
  readonly work: number;
  readonly wallSeconds: number;
  /** CPU of the proxy's processes over the sample. */
  readonly cpuSeconds: number;
  /** Its user-mode part. */
  readonly userSeconds: number;
  /** Of the whole machine. */
  readonly machineBusySeconds: number;
  readonly generatorCpuSeconds: number;
  readonly originCpuSeconds: number;
  /** Pieces of work a second. */
  readonly rate: number;
  /** Open loop: the rate that was intended. */
  readonly intendedRate: number | null;
  /** What held the rate back; null when nothing was saturated, as at a fixed rate. */
  readonly limit: 'proxy' | 'generator' | 'origin' | 'load core' | null;
  readonly latency: Latency | null;
  /** Memory of the proxy for each client, in the cases about memory. */
  readonly memoryBytes: number | null;
  /** Pieces of work without an answer, and answers after the patience ran out, for each one answered in time. */
  readonly lost: number;
  readonly late: number;
  /** A sample with errors is reported and not used. */
  readonly errors: readonly string[];
}

/** In microseconds. Open loop: counted from the intended send time. */
export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** Ascending [upper bound in µs, count] of the buckets that hold anything; empty where the driver gives none. */
  readonly histogram: readonly (readonly [upTo: number, count: number])[];
}

export interface SyscallRecord {
  readonly contestant: string;
  readonly perWork: Readonly<Record<string, number>>;
  readonly problem: string | null;
}

/** What a strategy's pick costs and how evenly it spreads, by the code that serves traffic. */
export interface StrategyFigure {
  readonly strategy: string;
  readonly engine: 'native' | 'js';
  readonly targets: number;
  /** `equal` or `skewed` weights. */
  readonly weights: 'equal' | 'skewed';
  /** Nanoseconds a pick, one entry a round. */
  readonly pickNs: readonly number[];
  /** Largest share of picks over the share that the weights promise, after `picks` picks; 1 is perfect. */
  readonly imbalance: number;
  readonly picks: number;
  /** Share of clients whose target changed when one of the targets went; null where clients have no fixed target. */
  readonly moved: number | null;
}
