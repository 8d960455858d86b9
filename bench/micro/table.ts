// Results as people read them. A ratio, and what a crossing costs, are taken within rounds.
import { formatGrouped, formatInterval, NO_FIGURE } from '../../src/bench/numbers.ts';
import { bootstrapMedian, ENOUGH_ROUNDS, median, pairedRatio } from '../../src/bench/statistics.ts';
import { CONTESTANTS, type MicroResult } from './rounds.ts';

const HEADINGS = ['ns', '95 % interval', 'MB/s', '÷ C++ loop', 'crossing, ns'] as const;
const NAME_WIDTH = Math.max(...Object.values(CONTESTANTS).map((label) => label.length));

type Entry = MicroResult['contestants'][number];

/** One table a group, one block a case. */
export function formatResults(results: readonly MicroResult[]): string {
  const rows = results.flatMap((result, i) => {
    const isNewGroup = results[i - 1]?.group !== result.group;
    const heading = isNewGroup ? ['', rowOf(result.group.toUpperCase(), HEADINGS)] : [];
    return [...heading, titleOf(result), ...result.contestants.map((one) => entryRow(result, one))];
  });
  const rounds = results[0]?.contestants[0]?.ns.length ?? 0;
  const warning = `Of ${rounds} rounds: these figures show that the bench works, and no speed.`;
  return [...rows, ...(rounds < ENOUGH_ROUNDS ? ['', warning] : [])].join('\n');
}

function titleOf({ name, bytes, remark }: MicroResult): string {
  const title = bytes === null ? name : `${name}, ${bytes} B`;
  return remark === '' ? title : `${title} (${remark})`;
}

function entryRow({ bytes, contestants }: MicroResult, entry: Entry): string {
  const loop = contestants.find(({ id }) => id === 'loop');
  const ns = median(entry.ns);
  const cells = [
    formatGrouped(ns),
    formatInterval(bootstrapMedian(entry.ns)),
    bytes === null ? '' : formatGrouped((bytes / ns) * 1e3),
    loop === undefined || loop === entry ? '' : `× ${formatGrouped(ratioOf(entry, loop))}`,
    crossingOf(entry, loop),
  ];
  return rowOf(`  ${CONTESTANTS[entry.id]}`, cells);
}

function ratioOf(entry: Entry, loop: Entry): number {
  return pairedRatio(byRound(entry), byRound(loop)).median;
}

/** What calling from JavaScript adds to the same work in a C++ loop. */
function crossingOf({ id, ns }: Entry, loop: Entry | undefined): string {
  if (id !== 'crossing' && id !== 'strings') return '';
  if (loop === undefined) return NO_FIGURE;
  const added = ns.map((value, round) => value - (loop.ns[round] ?? Number.NaN));
  return `${formatGrouped(median(added))} (${formatInterval(bootstrapMedian(added))})`;
}

function byRound({ ns }: Entry): ReadonlyMap<number, number> {
  return new Map(ns.entries());
}

function rowOf(name: string, cells: readonly string[]): string {
  const [ns = '', interval = '', rate = '', ratio = '', crossing = ''] = cells;
  return [
    name.padEnd(NAME_WIDTH + 2),
    ns.padStart(9),
    interval.padStart(18),
    rate.padStart(8),
    ratio.padStart(11),
    crossing.padStart(24),
  ]
    .join('  ')
    .trimEnd();
}
