// The command line of `sluice bench`.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { CONTESTANTS } from './contestants.ts';
import { parseCores } from './cores.ts';
import type { HttpDriver, ScenarioName } from './report.ts';
import { SCENARIO_NAMES } from './report.ts';
import { allCases, STRATEGIES } from './scenarios/all.ts';

export interface RunOptions {
  /** Ids of the cases, in the order in which they run. */
  readonly cases: readonly string[];
  readonly hasStrategies: boolean;
  readonly contestants: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly isQuick: boolean;
  readonly countsSyscalls: boolean;
  readonly out: string | null;
  readonly driver: HttpDriver;
  readonly proxyCores: readonly number[];
  readonly loadCores: readonly number[];
  readonly network: 'own' | 'host';
}

export type BenchCommand =
  | { readonly kind: 'help' }
  | { readonly kind: 'run'; readonly options: RunOptions }
  | { readonly kind: 'compare'; readonly before: string; readonly after: string }
  | {
      readonly kind: 'assert';
      readonly file: string;
      readonly expression: string;
      readonly caseId: string | null;
      readonly isStrict: boolean;
    };

const DRIVERS = ['native', 'wrk', 'autocannon'] as const satisfies readonly HttpDriver[];
const NETWORKS = ['own', 'host'] as const;

export const ROUNDS = { quick: 2, full: 5 } as const;
export const SECONDS = { quick: 0.2, full: 1 } as const;

export const HELP = `Measures what work costs Sluice's layers and engines and other proxies, and how fast they are.

sluice bench [options]              run; npm run bench -- [options] is the same
  --scenario NAME,…    ${SCENARIO_NAMES.join(' ')} (default: all), or cases of them: rivals/udp-64x4, rivals/http-small
  --quick              all of it in under three minutes: shows that it works, measures little
  --out DIR            write DIR/report.json and DIR/report.html
  --proxies ID,…       who takes part (default: all): ${CONTESTANTS.map(({ id }) => id).join(' ')}
  --rounds N           samples of each contestant and case (default ${ROUNDS.full}; quick: ${ROUNDS.quick})
  --seconds N          length of a sample (default ${SECONDS.full}; quick: ${SECONDS.quick})
  --driver NAME        HTTP load in closed loops: ${DRIVERS.join(' ')} (default native)
  --syscalls           count system calls for a piece of work too, with strace, after the rounds
  --proxy-cores LIST   cores of the proxies, such as 1 or 2-5 (default 1)
  --load-cores LIST    cores of load and origin (default 0)
  --network own|host   a network of the run's own, with the kernel's defaults, where permitted (default), or the host's

sluice bench compare BEFORE.json AFTER.json
                       what changed between two reports, with intervals
sluice bench assert FILE EXPRESSION [--case ID] [--strict]
                       exits 1 unless a report bears out 'cost(native)/cost(nginx)<0.85'
                       --case ID  in this case only; --strict  also when it is not shown either way
`;

/** Throws an Error worth showing for anything it does not know. */
export function parseCommand(
  parameters: readonly string[],
  cores = availableParallelism(),
): BenchCommand {
  const [first, ...rest] = parameters;
  if (first === 'compare') return parseCompare(rest);
  if (first === 'assert') return parseAssert(rest);
  return parseRun(parameters, cores);
}

function parseCompare(parameters: readonly string[]): BenchCommand {
  const { positionals, values } = parseArgs({
    args: [...parameters],
    allowPositionals: true,
    options: { help: { type: 'boolean', default: false } },
  });
  if (values.help) return { kind: 'help' };
  const [before, after] = positionals;
  if (before === undefined || after === undefined || positionals.length > 2) {
    throw new Error('compare takes two reports: sluice bench compare BEFORE.json AFTER.json');
  }
  return { kind: 'compare', before, after };
}

function parseAssert(parameters: readonly string[]): BenchCommand {
  const { positionals, values } = parseArgs({
    args: [...parameters],
    allowPositionals: true,
    options: {
      case: { type: 'string' },
      strict: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return { kind: 'help' };
  const [file, expression] = positionals;
  if (file === undefined || expression === undefined || positionals.length > 2) {
    throw new Error("assert takes a report and an expression: 'cost(native)/cost(nginx)<0.85'");
  }
  return { kind: 'assert', file, expression, caseId: values.case ?? null, isStrict: values.strict };
}

function parseRun(parameters: readonly string[], cores: number): BenchCommand {
  const { values } = parseArgs({
    args: [...parameters],
    options: {
      scenario: { type: 'string', multiple: true },
      proxies: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      syscalls: { type: 'boolean', default: false },
      out: { type: 'string' },
      driver: { type: 'string', default: 'native' },
      'proxy-cores': { type: 'string' },
      'load-cores': { type: 'string' },
      network: { type: 'string', default: 'own' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return { kind: 'help' };
  const isQuick = values.quick;
  const pace = isQuick ? 'quick' : 'full';
  const wanted = split(values.scenario);
  if (values.out === '') throw new Error('--out takes a folder');
  return {
    kind: 'run',
    options: {
      cases: chooseCases(wanted, { isQuick, cores }),
      hasStrategies: wanted.length === 0 || wanted.includes(STRATEGIES),
      contestants: chooseContestants(split(values.proxies)),
      rounds: number('--rounds', values.rounds, {
        fallback: ROUNDS[pace],
        least: 1,
        isWhole: true,
      }),
      seconds: number('--seconds', values.seconds, {
        fallback: SECONDS[pace],
        least: 0.1,
        isWhole: false,
      }),
      isQuick,
      countsSyscalls: values.syscalls,
      out: values.out ?? null,
      driver: oneOf('--driver', values.driver, DRIVERS),
      proxyCores: parseCores('--proxy-cores', values['proxy-cores'], cores > 1 ? 1 : 0, cores),
      loadCores: parseCores('--load-cores', values['load-cores'], 0, cores),
      network: oneOf('--network', values.network, NETWORKS),
    },
  };
}

function split(values: readonly string[] | undefined): readonly string[] {
  return (values ?? []).flatMap((value) => value.split(',')).filter((value) => value !== '');
}

function chooseCases(
  wanted: readonly string[],
  extent: { readonly isQuick: boolean; readonly cores: number },
): readonly string[] {
  const ids = allCases(extent).map(({ id }) => id);
  for (const name of wanted) {
    if (name === STRATEGIES || ids.some((id) => isCalled(id, name))) continue;
    throw new Error(`there is no case '${name}'; there are: ${[...ids, STRATEGIES].join(' ')}`);
  }
  return wanted.length === 0 ? ids : ids.filter((id) => wanted.some((name) => isCalled(id, name)));
}

/** A scenario, a case, or what several cases begin with. */
function isCalled(id: string, name: string): boolean {
  return (
    id === name || id.startsWith(`${name}/`) || (name.includes('/') && id.startsWith(`${name}-`))
  );
}

function chooseContestants(wanted: readonly string[]): readonly string[] {
  const ids = CONTESTANTS.map(({ id }) => id);
  for (const name of wanted) {
    if (!ids.includes(name)) {
      throw new Error(`there is no contestant '${name}'; there are: ${ids.join(' ')}`);
    }
  }
  if (wanted.length === 0) return ids;
  return CONTESTANTS.filter(
    ({ id, variantOf }) => wanted.includes(id) || (variantOf && wanted.includes(variantOf)),
  ).map(({ id }) => id);
}

function number(
  name: string,
  written: string | undefined,
  { fallback, least, isWhole }: { fallback: number; least: number; isWhole: boolean },
): number {
  if (written === undefined) return fallback;
  const value = written.trim() === '' ? Number.NaN : Number(written);
  if (!(value >= least && value <= 1_000) || (isWhole && !Number.isInteger(value))) {
    const kind = isWhole ? 'a whole number' : 'a number';
    throw new Error(`${name} takes ${kind} from ${least} to 1000, not '${written}'`);
  }
  return value;
}

function oneOf<Word extends string>(name: string, written: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === written);
  if (!word) throw new Error(`${name} takes ${words.join(', ')}, not '${written}'`);
  return word;
}

/** The scenarios that a run of these options touches. */
export function scenariosOf({ cases, hasStrategies }: RunOptions): readonly ScenarioName[] {
  return SCENARIO_NAMES.filter((name) =>
    name === STRATEGIES ? hasStrategies : cases.some((id) => id.startsWith(`${name}/`)),
  );
}
