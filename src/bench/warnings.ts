// What the reader must know before the figures: the run's own notes, and what its facts give away.
import type { Method, Report } from './report.ts';
import { ENOUGH_ROUNDS, isUsable } from './statistics.ts';

const BUSY = 0.5;
/** What kernels come with; others shape loopback traffic by timers. */
const PLAIN_CONTROLS: readonly string[] = ['cubic', 'reno'];

export function warningsOf(report: Report): readonly string[] {
  const { machine, method } = report;
  const found: string[] = [...report.notes];
  const warn = (isSo: boolean, text: string): void => {
    if (isSo) found.push(text);
  };
  warn(
    method.isQuick,
    'This was a quick run: it shows that the bench works, not how fast anything is.',
  );
  warn(
    method.rounds < ENOUGH_ROUNDS,
    `Fewer than ${ENOUGH_ROUNDS} rounds: no difference is claimed from these figures.`,
  );
  warn(!method.isPinned, 'Programs were not pinned to cores: they may have taken turns on one.');
  warn(machine.cores < 2, 'The machine has a single core: proxy, load and origin shared it.');
  warn(
    !PLAIN_CONTROLS.includes(machine.congestionControl),
    `TCP congestion control was ${machine.congestionControl}: on loopback its timers, not the proxies, may decide.`,
  );
  warn(
    machine.loadAverage > BUSY,
    `The machine was not idle before the run: load average ${machine.loadAverage}.`,
  );
  warn(machine.isModified, 'Files differed from the commit that is named.');
  for (const { label, missing } of report.contestants) {
    // The notes of a run name them too, in words of their own.
    warn(
      missing !== null && !found.some((note) => note.includes(missing)),
      `${label} is missing: ${missing}`,
    );
  }
  const unused = report.cases.flatMap(({ samples }) => samples).filter((one) => !isUsable(one));
  warn(
    unused.length > 0,
    `${unused.length} ${unused.length === 1 ? 'sample' : 'samples'} with errors are not used; the cases say which.`,
  );
  return [...new Set(found)];
}

export function driverName({ driver, driverVersion }: Method): string {
  const name = driver === 'native' ? 'Sluice’s own generator' : driver;
  return `${name} ${driverVersion}`.trim();
}
