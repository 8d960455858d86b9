// report.json from disk. Whatever is wrong with it is one error that names the file and the places.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { formatPath } from '../config/problems.ts';
import { METRICS, REPORT_FORMAT, type Report, SCENARIO_NAMES } from './report.ts';

const SHOWN = 5;

const number = z.number();
const amount = z.number().nonnegative();
const count = z.int().nonnegative();
const text = z.string();

const metric = z.enum(METRICS);

const machine = z.object({
  host: text,
  kernel: text,
  cpu: text,
  cores: count,
  memoryBytes: amount,
  distribution: text,
  nodeVersion: text,
  commit: text,
  isModified: z.boolean(),
  loadAverage: amount,
  network: z.enum(['own', 'host']),
  congestionControl: text,
});

const method = z.object({
  isQuick: z.boolean(),
  rounds: count,
  seconds: amount,
  proxyCores: z.array(count),
  loadCores: z.array(count),
  isPinned: z.boolean(),
  driver: z.enum(['native', 'wrk', 'autocannon']),
  driverVersion: text,
});

const latency = z.object({
  p50: amount,
  p90: amount,
  p99: amount,
  p999: amount,
  max: amount,
  histogram: z.array(z.tuple([amount, amount])),
});

const sample = z.object({
  contestant: text,
  round: count,
  position: count,
  work: amount,
  wallSeconds: amount,
  cpuSeconds: amount,
  userSeconds: amount,
  machineBusySeconds: amount,
  generatorCpuSeconds: amount,
  originCpuSeconds: amount,
  rate: amount,
  intendedRate: amount.nullable(),
  limit: z.enum(['proxy', 'generator', 'origin', 'load core']).nullable(),
  latency: latency.nullable(),
  memoryBytes: number.nullable(),
  lost: amount,
  late: amount,
  errors: z.array(text),
});

const caseRecord = z.object({
  id: text,
  scenario: z.enum(SCENARIO_NAMES),
  title: text,
  arrival: z.enum(['closed', 'fixed', 'poisson']),
  unit: z.object({ name: text, cost: text, scale: z.number().positive(), rate: text }),
  series: z
    .object({
      name: text,
      title: text,
      axis: text,
      value: number,
      show: z.enum(['cost', 'rate', 'latency']),
      isLogarithmic: z.boolean(),
    })
    .nullable(),
  goals: z.array(z.object({ metric, of: text, to: text.nullable(), most: number })),
  configuration: text.nullable(),
  configurations: z.record(text, text),
  absent: z.record(text, text),
  samples: z.array(sample),
  syscalls: z.array(
    z.object({ contestant: text, perWork: z.record(text, amount), problem: text.nullable() }),
  ),
});

const schema: z.ZodType<Report> = z.object({
  format: z.literal(REPORT_FORMAT),
  at: text,
  wallSeconds: amount,
  machine,
  method,
  contestants: z.array(
    z.object({ id: text, label: text, version: text.nullable(), missing: text.nullable() }),
  ),
  notes: z.array(text),
  cases: z.array(caseRecord),
  strategies: z.array(
    z.object({
      strategy: text,
      engine: z.enum(['native', 'js']),
      targets: count,
      weights: z.enum(['equal', 'skewed']),
      pickNs: z.array(amount),
      imbalance: amount,
      picks: count,
      moved: amount.nullable(),
    }),
  ),
});

/** Throws an Error worth showing. */
export function readReport(path: string): Report {
  let written: string;
  try {
    written = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Error(`${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
  return parseReport(written, path);
}

/** `subject` is what errors call it. */
export function parseReport(written: string, subject: string): Report {
  let value: unknown;
  try {
    value = JSON.parse(written);
  } catch (cause) {
    const size = `${written.length} characters`;
    throw new Error(`${subject} is not whole JSON (${size}): ${messageOf(cause)}`, { cause });
  }
  const format = (value as { readonly format?: unknown } | null)?.format;
  if (format !== REPORT_FORMAT) {
    const found =
      format === undefined ? 'says no format' : `is of format ${JSON.stringify(format)}`;
    throw new Error(
      `${subject} is no report that this version reads: it ${found}, and format ${REPORT_FORMAT} is needed; run sluice bench again`,
    );
  }
  const { data, error } = schema.safeParse(value);
  if (data) {
    checkTwice(data, subject);
    return data;
  }
  const lines = error.issues.slice(0, SHOWN).map(({ path, message }) => {
    const place = path.map((key) => (typeof key === 'number' ? key : String(key)));
    return `  ${formatPath(place)}: ${message}`;
  });
  const more = error.issues.length - SHOWN;
  if (more > 0) lines.push(`  and ${more} more`);
  throw new Error(`${subject} is not a whole report:\n${lines.join('\n')}`);
}

/** Ids are what everything else is found by. */
function checkTwice({ cases, contestants }: Report, subject: string): void {
  for (const [what, all] of [
    ['case', cases],
    ['contestant', contestants],
  ] as const) {
    const ids = all.map(({ id }) => id);
    const twice = ids.find((id, i) => ids.indexOf(id) !== i);
    if (twice !== undefined) throw new Error(`${subject} has the ${what} '${twice}' twice`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
