// `npm run bench:micro`: what single pieces of work cost, in native code, across N-API and in JavaScript. README.md
// says how to read it.
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../src/bench/machine.ts';
import { makeMicro, NativeLoops } from '../../src/bench/native-loops.ts';
import { pinOwnThread } from '../../src/bench/own-affinity.ts';
import { loadCrossing } from './crossing.ts';
import { forwardingCases } from './forwarding.ts';
import { listingCases } from './listing.ts';
import { parsingCases } from './parsing.ts';
import { pickingCases } from './picking.ts';
import { type MicroResult, measureCase, type RoundOptions, type Tools } from './rounds.ts';
import { routingCases } from './routing.ts';
import { formatResults } from './table.ts';

const HELP = `npm run bench:micro -- [options]

  --only TEXT     cases whose group and name hold TEXT, such as parsing or maglev
  --rounds N      rounds of each case (7)
  --ms N          milliseconds of each contestant's round (40)
  --core N        the core that everything runs on (1 where there are two, else 0)
  --quick         two short rounds: shows that it works, measures nothing
  --json FILE     the raw rounds, with machine and commit`;

const FULL: RoundOptions = { rounds: 7, milliseconds: 40 };
const QUICK: RoundOptions = { rounds: 2, milliseconds: 2 };

interface Options extends RoundOptions {
  readonly only: string;
  readonly core: number;
  readonly json: string | null;
}

function readOptions(): Options | null {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      rounds: { type: 'string' },
      ms: { type: 'string' },
      core: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const { rounds, milliseconds } = values.quick ? QUICK : FULL;
  return {
    only: values.only,
    rounds: wholeNumber('--rounds', values.rounds, rounds, 1),
    milliseconds: wholeNumber('--ms', values.ms, milliseconds, 1),
    core: wholeNumber('--core', values.core, Math.min(1, cpus().length - 1), 0),
    json: values.json ?? null,
  };
}

function wholeNumber(
  name: string,
  text: string | undefined,
  fallback: number,
  least: number,
): number {
  if (text === undefined) return fallback;
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least) return value;
  throw new Error(`${name} takes a whole number from ${least}, not '${text}'`);
}

async function run({ only, core, json, ...options }: Options): Promise<void> {
  const machine = describeMachine('host');
  const notes: string[] = [];
  const note = (text: string): void => {
    notes.push(text);
    console.log(`!! ${text}`);
  };
  const isBuilt = await orNote(
    'no C++ loops',
    note,
    makeMicro().then(() => true),
  );
  const crossing = await orNote('nothing through N-API', note, loadCrossing());
  const pinned = pinOwnThread([core]);
  if (pinned.problem !== null) note(`not pinned: ${pinned.problem}`);
  // Now, so that it inherits the pinning.
  const tools: Tools = { loops: isBuilt === null ? null : new NativeLoops(), crossing };
  const results: MicroResult[] = [];
  try {
    const all = [parsingCases, routingCases, pickingCases, forwardingCases, listingCases];
    const cases = all
      .flatMap((casesOf) => casesOf(tools))
      .filter(({ group, name }) => `${group}: ${name}`.includes(only));
    if (cases.length === 0) throw new Error(`no case holds '${only}'`);
    for (const one of cases) {
      const result = await measureCase(one, options);
      results.push(result);
      if (process.stderr.isTTY) process.stderr.write(`\r${results.length} of ${cases.length}`);
    }
  } finally {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    await tools.loops?.close();
    pinned.restore();
  }
  console.log(formatResults(results));
  if (json === null) return;
  const record = { format: 1, at: new Date().toISOString(), machine, notes, core, ...options };
  writeFileSync(json, `${JSON.stringify({ ...record, results }, null, 2)}\n`);
}

/** null, with a note, where something cannot be had. */
async function orNote<T>(
  without: string,
  note: (text: string) => void,
  wanted: Promise<T>,
): Promise<T | null> {
  try {
    return await wanted;
  } catch (error) {
    note(`${without}: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

try {
  const options = readOptions();
  if (options === null) console.log(HELP);
  else await run(options);
} catch (error) {
  console.error(`bench:micro: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
