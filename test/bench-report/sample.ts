// Reports to look at and to test with. Every figure in them is made up from a seed: they show no program's speed.
import type {
  CaseRecord,
  ContestantInfo,
  Latency,
  Report,
  Sample,
  StrategyFigure,
  Unit,
} from '../../src/bench/report.ts';

export const REQUEST: Unit = { name: 'request', cost: 'µs', scale: 1e6, rate: 'requests/s' };
export const GIGABYTE: Unit = { name: 'GB', cost: 's', scale: 1, rate: 'GB/s' };
export const DATAGRAM: Unit = {
  name: 'datagram and its echo',
  cost: 'µs',
  scale: 1e6,
  rate: 'datagrams/s',
};

/** Made-up costs, in µs a request. */
const COSTS: Readonly<Record<string, number>> = {
  native: 15,
  uws: 41,
  js: 118,
  nginx: 21,
  haproxy: 23,
  'haproxy-splice': 22.6,
  'http-proxy': 190,
  'fastify-http-proxy': 165,
};

const CONTESTANTS: readonly ContestantInfo[] = [
  { id: 'native', label: 'Sluice native', version: '0.1.0', missing: null },
  {
    id: 'uws',
    label: 'Sluice uws',
    version: null,
    missing: 'uWebSockets.js is not installed: npm install uNetworking/uWebSockets.js#v20.52.0',
  },
  { id: 'js', label: 'Sluice js', version: '0.1.0', missing: null },
  { id: 'nginx', label: 'nginx', version: '1.22.1', missing: null },
  { id: 'haproxy', label: 'HAProxy', version: '2.6.12', missing: null },
  { id: 'haproxy-splice', label: 'HAProxy, splicing', version: '2.6.12', missing: null },
  { id: 'http-proxy', label: 'http-proxy', version: '1.18.1', missing: null },
  { id: 'fastify-http-proxy', label: '@fastify/http-proxy', version: '11.3.0', missing: null },
  { id: 'direct', label: 'no proxy', version: '0.1.0', missing: null },
];

/** The same numbers from the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}

export function makeSample(
  contestant: string,
  round: number,
  fields: Partial<Sample> = {},
): Sample {
  return {
    contestant,
    round,
    position: 0,
    work: 100_000,
    wallSeconds: 3,
    cpuSeconds: 1.5,
    userSeconds: 0.2,
    machineBusySeconds: 5,
    generatorCpuSeconds: 1.1,
    originCpuSeconds: 0.9,
    rate: 33_333,
    intendedRate: null,
    limit: null,
    latency: null,
    memoryBytes: null,
    lost: 0,
    late: 0,
    errors: [],
    ...fields,
  };
}

export function makeCase(id: string, fields: Partial<CaseRecord> = {}): CaseRecord {
  return {
    id,
    scenario: 'rivals',
    title: id,
    arrival: 'closed',
    unit: REQUEST,
    series: null,
    goals: [],
    configuration: null,
    configurations: {},
    absent: {},
    samples: [],
    syscalls: [],
    ...fields,
  };
}

export function makeReport(fields: Partial<Report> = {}): Report {
  return {
    format: 2,
    at: '2025-11-22T09:30:00.000Z',
    wallSeconds: 1_043,
    machine: {
      host: 'example',
      kernel: '6.1.0-28-amd64',
      cpu: 'Example CPU @ 2.60GHz',
      cores: 2,
      memoryBytes: 8 * 1024 ** 3,
      distribution: 'Debian GNU/Linux 12 (bookworm)',
      nodeVersion: 'v20.19.2',
      commit: '0123456789abcdef0123456789abcdef01234567',
      isModified: false,
      loadAverage: 0.12,
      network: 'own',
      congestionControl: 'cubic',
    },
    method: {
      isQuick: false,
      rounds: 7,
      seconds: 3,
      proxyCores: [1],
      loadCores: [0],
      isPinned: true,
      driver: 'native',
      driverVersion: 'load-http 0.1.0',
    },
    contestants: CONTESTANTS,
    notes: [],
    cases: [],
    strategies: [],
    ...fields,
  };
}

/** Rounds of contestants with costs around those given, in the unit's cost. */
export function makeSamples(
  costs: Readonly<Record<string, number>>,
  unit: Unit,
  options: {
    readonly seed: number;
    readonly rounds?: number;
    readonly noise?: number;
    readonly sample?: (cost: number, random: () => number) => Partial<Sample>;
  },
): readonly Sample[] {
  const random = randomFrom(options.seed);
  return Array.from({ length: options.rounds ?? 7 }, (_, round) => {
    const drift = 1 + 0.06 * random();
    return Object.entries(costs).map(([contestant, cost], position) => {
      const paid = (cost / unit.scale) * drift * (1 + (options.noise ?? 0.04) * (random() - 0.5));
      const work = 3 / Math.max(paid, 1 / unit.scale);
      return makeSample(contestant, round, {
        position,
        work,
        cpuSeconds: contestant === 'direct' ? 0 : paid * work,
        userSeconds: paid * work * 0.15,
        machineBusySeconds: 5.6,
        rate: work / 3,
        limit: cost < 20 ? 'load core' : 'proxy',
        ...options.sample?.(cost, random),
      });
    });
  }).flat();
}

/** A latency distribution with a tail, and percentiles that are true of its histogram. */
export function makeLatency(centreUs: number, random: () => number, answers = 20_000): Latency {
  const histogram: [number, number][] = [];
  let left = answers;
  let upTo = centreUs * 0.4;
  while (left > 0 && histogram.length < 75) {
    const distance = Math.log(upTo / centreUs);
    const width = distance < 0 ? 0.22 : 0.45;
    const share =
      0.0775 * Math.exp(-((distance / width) ** 2) / 2) + 0.0003 * random() * Math.exp(-distance);
    const count = Math.min(left, Math.max(1, Math.round(share * answers)));
    histogram.push([Math.round(upTo * 10) / 10, count]);
    left -= count;
    upTo *= 1.07;
  }
  const total = histogram.reduce((sum, [, count]) => sum + count, 0);
  const at = (share: number): number => {
    let seen = 0;
    for (const [bound, count] of histogram) {
      seen += count;
      if (seen >= share * total) return bound;
    }
    return histogram.at(-1)?.[0] ?? 0;
  };
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1), histogram };
}

/** What a full run might look like, with one contestant missing. */
export function sampleReport(): Report {
  return makeReport({
    notes: [
      'uws is missing: uWebSockets.js is not installed',
      'the load average was 0.12 before the run began',
    ],
    cases: [...layers(), ...engines(), ...rivals(), ...latencyCurve(), ...scale()],
    strategies: strategies(),
  });
}

function pick(...ids: readonly string[]): Record<string, number> {
  return Object.fromEntries(ids.map((id) => [id, COSTS[id] ?? 1]));
}

const CONFIGURATION =
  'engine: native\nworkers: 1\nlisteners:\n  web: { address: 127.0.0.1:8080, protocol: http, pool: api }\npools:\n  api: { targets: ["127.0.0.1:9000"] }\n';
const CONFIGURATIONS = {
  native: CONFIGURATION,
  nginx:
    'worker_processes 1;\nevents { worker_connections 4096; }\nhttp {\n  access_log off;\n  upstream api { server 127.0.0.1:9000; keepalive 256; }\n}\n',
  haproxy:
    'global\n  nbthread 1\ndefaults\n  mode http\n  timeout client 60s\nfrontend web\n  bind 127.0.0.1:8080\n',
};

function layers(): readonly CaseRecord[] {
  const latency = (centre: number) => (_: number, random: () => number) => ({
    latency: makeLatency(centre * (1 + 0.1 * random()), random),
  });
  return [
    makeCase('layers/direct', {
      scenario: 'layers',
      title: 'No proxy: generator to origin, 64 clients, 100 B body',
      samples: makeSamples({ direct: 8 }, REQUEST, {
        seed: 2,
        sample: () => ({ limit: 'generator' }),
      }),
    }),
    makeCase('layers/tcp-copy', {
      scenario: 'layers',
      title: 'As TCP, copying, 64 clients, 100 B messages',
      configuration: CONFIGURATION,
      samples: makeSamples({ native: 12.2 }, REQUEST, { seed: 3, sample: latency(300) }),
    }),
    makeCase('layers/udp', {
      scenario: 'layers',
      title: 'UDP, 64 flows × 4 outstanding × 64 B',
      unit: DATAGRAM,
      samples: makeSamples({ native: 4.2 }, DATAGRAM, { seed: 4 }),
    }),
    makeCase('layers/http', {
      scenario: 'layers',
      title: 'As HTTP/1.1, 64 clients, 100 B body',
      samples: makeSamples({ native: 15 }, REQUEST, { seed: 5, sample: latency(420) }),
    }),
  ];
}

function engines(): readonly CaseRecord[] {
  return [
    makeCase('engines/http-small', {
      scenario: 'engines',
      title: 'HTTP/1.1 keep-alive, 64 clients, 100 B body',
      goals: [{ metric: 'cost', of: 'native', to: 'js', most: 1 / 6 }],
      absent: { uws: 'uWebSockets.js is not installed' },
      samples: makeSamples(pick('native', 'js'), REQUEST, { seed: 6 }),
    }),
    makeCase('engines/http-1mib', {
      scenario: 'engines',
      title: 'HTTP/1.1 keep-alive, 16 clients, 1 MiB body',
      samples: makeSamples({ native: 344, js: 2_100 }, REQUEST, { seed: 7 }),
    }),
  ];
}

function rivals(): readonly CaseRecord[] {
  const all = Object.keys(COSTS).filter((id) => id !== 'uws');
  return [
    makeCase('rivals/http-small-64', {
      title: 'HTTP/1.1 keep-alive, 64 clients, 100 B body',
      goals: [
        { metric: 'cost', of: 'native', to: 'nginx', most: 0.75 },
        { metric: 'cost', of: 'native', to: 'haproxy', most: 0.65 },
        { metric: 'user', of: 'native', to: null, most: 2 },
      ],
      configuration: CONFIGURATION,
      configurations: CONFIGURATIONS,
      samples: makeSamples(pick(...all), REQUEST, {
        seed: 8,
        sample: (cost, random) => ({ latency: makeLatency(25 * cost, random) }),
      }),
      syscalls: [
        {
          contestant: 'native',
          perWork: { recvfrom: 2, sendto: 2, epoll_wait: 0.04 },
          problem: null,
        },
        {
          contestant: 'nginx',
          perWork: { recvfrom: 2.1, writev: 1, sendto: 1, epoll_wait: 0.2 },
          problem: null,
        },
        { contestant: 'haproxy', perWork: {}, problem: 'strace: ptrace: Operation not permitted' },
      ],
    }),
    makeCase('rivals/http-small-256', {
      title: 'HTTP/1.1 keep-alive, 256 clients, 100 B body',
      absent: { js: 'answered wrongly: 3 of 4000 bodies differ from the origin’s' },
      samples: makeSamples({ native: 21.1, nginx: 21.3, haproxy: 34.1 }, REQUEST, { seed: 9 }),
    }),
    makeCase('rivals/tcp-bulk-pull', {
      title: 'TCP bulk, 2 streams towards the client',
      unit: GIGABYTE,
      goals: [
        { metric: 'cost', of: 'native', to: 'nginx', most: 0.4 },
        { metric: 'cost', of: 'native', to: 'haproxy-splice', most: 0.95 },
      ],
      configuration: CONFIGURATION,
      configurations: CONFIGURATIONS,
      samples: makeSamples(
        { native: 0.22, nginx: 0.61, haproxy: 0.64, 'haproxy-splice': 0.21, js: 0.7 },
        GIGABYTE,
        { seed: 10, noise: 0.12 },
      ),
    }),
    makeCase('rivals/udp-64x4', {
      title: 'UDP echo, 64 flows × 4 outstanding × 64 B',
      unit: DATAGRAM,
      absent: { haproxy: 'does not relay UDP' },
      goals: [{ metric: 'cost', of: 'native', to: 'haproxy', most: 0.65 }],
      samples: makeSamples({ native: 4.2, nginx: 6.7, js: 12.5 }, DATAGRAM, {
        seed: 11,
        sample: (_, random) => ({ lost: 0.002 * random() }),
      }),
    }),
    makeCase('rivals/idle', {
      title: '10,000 idle keep-alive clients',
      goals: [{ metric: 'memory', of: 'native', to: null, most: 2_048 }],
      samples: makeSamples({ native: 410, nginx: 1_190, haproxy: 2_900, js: 5_100 }, REQUEST, {
        seed: 12,
        sample: (cost, random) => ({
          work: 0,
          cpuSeconds: 0,
          memoryBytes: cost * (1 + 0.02 * random()),
          limit: null,
        }),
      }),
    }),
  ];
}

function latencyCurve(): readonly CaseRecord[] {
  const rates = [10_500, 21_000, 31_500, 37_800];
  return rates.map((rate, i) =>
    makeCase(`rivals/latency-http-small-${i}`, {
      title: `HTTP/1.1, Poisson arrivals at ${rate} requests/s`,
      arrival: 'poisson',
      goals: i === 1 ? [{ metric: 'p99', of: 'native', to: 'nginx', most: 1 }] : [],
      series: {
        name: 'latency-http-small',
        title: 'Latency at a fixed rate, HTTP/1.1 small requests',
        axis: 'requests/s',
        value: rate,
        show: 'latency',
        isLogarithmic: false,
      },
      samples: makeSamples(pick('native', 'nginx', 'haproxy', 'js'), REQUEST, {
        seed: 20 + i,
        rounds: 5,
        sample: (cost, random) => ({
          intendedRate: rate,
          rate: Math.min(rate, 9e5 / cost),
          limit: rate > 9e5 / cost ? 'proxy' : null,
          latency: makeLatency((30 + 3 * cost) / Math.max(0.004, 1 - (rate * cost) / 9e5), random),
        }),
      }),
    }),
  );
}

function scale(): readonly CaseRecord[] {
  const point = (
    name: string,
    title: string,
    axis: string,
    value: number,
    costs: Readonly<Record<string, number>>,
  ): CaseRecord =>
    makeCase(`scale/${name}-${value}`, {
      scenario: 'scale',
      title: `${title}: ${value} ${axis}`,
      series: {
        name,
        title,
        axis,
        value,
        show: 'cost',
        isLogarithmic: value > 4 || axis !== 'workers',
      },
      samples: makeSamples(costs, REQUEST, { seed: 40 + value, rounds: 5, noise: 0.1 }),
    });
  return [
    ...[16, 64, 256, 1_024, 4_096, 10_000].map((n) =>
      point('connections', 'HTTP/1.1 small requests over connections', 'connections', n, {
        native: 12 + 1.1 * Math.log2(n),
        nginx: 14 + 1.9 * Math.log2(n),
      }),
    ),
    ...[100, 1_024, 16_384, 262_144, 1_048_576, 4_194_304].map((n) =>
      point('bodies', 'HTTP/1.1 over the size of the body', 'bytes of body', n, {
        native: 15 + n / 3_100,
        nginx: 20.6 + n / 1_100,
      }),
    ),
    ...[1, 2].map((n) =>
      point('workers', 'HTTP/1.1 small requests over workers', 'workers', n, {
        native: 15 + n,
        nginx: 20 + 1.4 * n,
      }),
    ),
  ];
}

function strategies(): readonly StrategyFigure[] {
  const random = randomFrom(77);
  const names = ['round-robin', 'random', 'least-connections', 'power-of-two', 'ip-hash', 'maglev'];
  return names.flatMap((strategy, i) =>
    (['native', 'js'] as const).flatMap((engine) =>
      [2, 10, 100].flatMap((targets) =>
        (['equal', 'skewed'] as const).map((weights) => ({
          strategy,
          engine,
          targets,
          weights,
          pickNs: Array.from(
            { length: 5 },
            () =>
              (engine === 'native' ? 3 : 16) * (1 + i / 3) * (1 + Math.log10(targets)) + random(),
          ),
          imbalance: i === 0 ? 1 : 1 + 0.02 * i + 0.01 * random(),
          picks: 1_000_000,
          moved: i < 4 ? null : i === 4 ? 0.9 : 1 / targets + 0.01,
        })),
      ),
    ),
  );
}

const HOSTILE = '<script>alert(1)</script>"\'&</script><!-- ]]> | `x` \u0000\u001b[31m\ud800 end';
const LONG =
  'a contestant whose name goes on for much longer than any plot has room for, and then some more';

/** What a report should never hold, and all that it may: nothing of it may break a page. */
export function nastyReport(): Report {
  const twelve = Array.from({ length: 12 }, (_, i) => `contestant-${i + 1}`);
  const odd = makeReport({
    notes: [HOSTILE, LONG.repeat(4)],
    machine: {
      ...makeReport().machine,
      host: HOSTILE,
      cpu: LONG,
      cores: 1,
      congestionControl: 'bbr',
      isModified: true,
      loadAverage: 7.5,
      network: 'host',
    },
    method: {
      ...makeReport().method,
      isQuick: true,
      rounds: 2,
      isPinned: false,
      proxyCores: [],
      loadCores: [],
    },
    contestants: [
      ...CONTESTANTS,
      ...twelve.map((id) => ({ id, label: id, version: '1', missing: null })),
      { id: 'hostile', label: HOSTILE, version: HOSTILE, missing: HOSTILE },
      { id: 'long', label: LONG, version: null, missing: LONG },
    ],
    strategies: [
      {
        strategy: HOSTILE,
        engine: 'native',
        targets: 2,
        weights: 'skewed',
        pickNs: [],
        imbalance: 1,
        picks: 0,
        moved: null,
      },
      {
        strategy: LONG,
        engine: 'js',
        targets: 2,
        weights: 'skewed',
        pickNs: [1e9],
        imbalance: 123.456,
        picks: 1e12,
        moved: 1,
      },
    ],
  });
  const series = (name: string, value: number, show: 'cost' | 'rate' | 'latency') => ({
    name,
    title: `Series ${name}: ${HOSTILE}`,
    axis: 'bytes of body',
    value,
    show,
    isLogarithmic: true,
  });
  const crowd = Object.fromEntries(twelve.map((id, i) => [id, 20 + 0.05 * i]));
  return {
    ...odd,
    cases: [
      makeCase('rivals/no-samples', {
        title: 'No samples at all',
        absent: { native: HOSTILE, nginx: LONG },
      }),
      makeCase('rivals/one-sample', {
        title: 'One sample',
        goals: [{ metric: 'cost', of: 'native', to: 'nginx', most: 1 }],
        samples: [makeSample('native', 0), makeSample('nginx', 0, { cpuSeconds: 2 })],
      }),
      makeCase('rivals/all-wrong', {
        title: HOSTILE,
        goals: [{ metric: 'p99', of: 'native', to: 'nobody', most: 1 }],
        samples: [0, 1].map((round) => makeSample('native', round, { errors: [HOSTILE, LONG] })),
        syscalls: [{ contestant: 'native', perWork: { [HOSTILE]: 1 }, problem: HOSTILE }],
        configuration: HOSTILE,
        configurations: { native: HOSTILE, nginx: LONG.repeat(30), [HOSTILE]: '' },
      }),
      makeCase('rivals/huge-and-tiny', {
        title: 'Huge beside tiny',
        samples: makeSamples(
          { native: 1e-3, js: 1e12, nginx: 1e-9, long: 5, hostile: 7 },
          REQUEST,
          { seed: 1 },
        ),
      }),
      makeCase('rivals/nothing-done', {
        title: 'No work',
        samples: [makeSample('native', 0, { work: 0, cpuSeconds: 0, rate: 0 })],
      }),
      makeCase('rivals/crowd', {
        title: LONG,
        samples: makeSamples({ native: 20, ...crowd }, REQUEST, {
          seed: 3,
          sample: (cost, random) => ({ latency: makeLatency(cost * 10, random, 40) }),
        }),
      }),
      ...[100, 1_000, 1e9].map((value) =>
        makeCase(`scale/crowd-${value}`, {
          scenario: 'scale',
          series: series('crowd', value, 'cost'),
          samples: makeSamples({ native: 20, ...crowd }, REQUEST, { seed: value, noise: 0.9 }),
        }),
      ),
      makeCase('scale/lone', {
        scenario: 'scale',
        series: series('lone', 0, 'latency'),
        arrival: 'fixed',
        samples: [
          makeSample('native', 0, {
            intendedRate: 1e9,
            latency: { p50: 0, p90: 0, p99: 0, p999: 0, max: 0, histogram: [[0, 5]] },
          }),
        ],
      }),
      makeCase('scale/empty', {
        scenario: 'scale',
        series: series('empty', 1, 'rate'),
        absent: { native: 'did not start' },
      }),
    ],
  };
}
