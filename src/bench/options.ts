// The command line of the comparison.
import { parseArgs } from 'node:util';
import { CONTESTANT_IDS, type ContestantId } from './contestant.ts';
import { IDLE_ID, SCENARIOS } from './scenarios.ts';

export interface Options {
  readonly cases: readonly string[];
  readonly contestants: readonly ContestantId[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly isQuick: boolean;
  readonly countsSyscalls: boolean;
  readonly json: string | null;
  readonly proxyCore: number;
  readonly loadCore: number;
}

export const ENOUGH_ROUNDS = 5;
const CASES = [...SCENARIOS.map((scenario) => scenario.id), IDLE_ID];

export const HELP = `Compares Sluice's engines with nginx and HAProxy: CPU time for a piece of work, by case.

npm run bench -- [options]
  --scenario NAME,…   cases, or the part before the slash for all of its cases (default: all)
                      ${CASES.join('  ')}
  --proxies ID,…      who takes part: ${CONTESTANT_IDS.join(' ')} (default: all)
  --rounds N          samples of each contestant and case (default ${ENOUGH_ROUNDS})
  --seconds N         length of a sample (default 3)
  --quick             2 rounds of 1 second: shows that it works, measures nothing
  --syscalls          count system calls for a piece of work too, with strace, after the rounds
  --json FILE         write configurations, raw samples and results there
  --proxy-core N      core of the proxies (default 1)
  --load-core N       core of load and origin (default 0)
  --help
`;

/** Null when only the help was asked for. Throws an Error worth showing for anything it does not know. */
export function parseOptions(parameters: readonly string[]): Options | null {
  const { values } = parseArgs({
    args: [...parameters],
    options: {
      scenario: { type: 'string', multiple: true },
      proxies: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      syscalls: { type: 'boolean', default: false },
      json: { type: 'string' },
      'proxy-core': { type: 'string' },
      'load-core': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const isQuick = values.quick;
  const options: Options = {
    cases: chooseCases(split(values.scenario)),
    contestants: chooseContestants(split(values.proxies)),
    rounds: wholeNumber('--rounds', values.rounds, isQuick ? 2 : ENOUGH_ROUNDS, 1),
    seconds: wholeNumber('--seconds', values.seconds, isQuick ? 1 : 3, 1),
    warmupSeconds: isQuick ? 1 : 2,
    isQuick,
    countsSyscalls: values.syscalls,
    json: values.json ?? null,
    proxyCore: wholeNumber('--proxy-core', values['proxy-core'], 1, 0),
    loadCore: wholeNumber('--load-core', values['load-core'], 0, 0),
  };
  if (options.proxyCore === options.loadCore) {
    throw new Error('proxies and load need a core each: --proxy-core and --load-core are the same');
  }
  return options;
}

function split(values: readonly string[] | undefined): readonly string[] {
  return (values ?? []).flatMap((value) => value.split(',')).filter((value) => value !== '');
}

function chooseCases(wanted: readonly string[]): readonly string[] {
  for (const name of wanted) {
    if (!CASES.some((id) => isCalled(id, name))) {
      throw new Error(`there is no case '${name}'; there are: ${CASES.join(' ')}`);
    }
  }
  return wanted.length === 0
    ? CASES
    : CASES.filter((id) => wanted.some((name) => isCalled(id, name)));
}

function isCalled(id: string, name: string): boolean {
  return id === name || id.startsWith(`${name}/`);
}

function chooseContestants(wanted: readonly string[]): readonly ContestantId[] {
  for (const name of wanted) {
    if (!CONTESTANT_IDS.some((id) => id === name)) {
      throw new Error(`there is no contestant '${name}'; there are: ${CONTESTANT_IDS.join(' ')}`);
    }
  }
  return wanted.length === 0 ? CONTESTANT_IDS : CONTESTANT_IDS.filter((id) => wanted.includes(id));
}

function wholeNumber(
  name: string,
  written: string | undefined,
  fallback: number,
  least: number,
): number {
  if (written === undefined) return fallback;
  const value = Number(written);
  if (!Number.isInteger(value) || value < least || value > 1_000) {
    throw new Error(`${name} takes a whole number from ${least} to 1000, not '${written}'`);
  }
  return value;
}
