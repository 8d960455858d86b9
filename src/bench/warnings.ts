// What the reader must know before the figures: the run's own notes, and what its facts give away.
import type { Machine, Method, Report } from './report.ts';
import { ENOUGH_ROUNDS, isUsable } from './statistics.ts';

const BUSY = 0.5;
/** What kernels come with; others shape loopback traffic by timers. */
const PLAIN_CONTROLS: readonly string[] = ['cubic', 'reno'];

export function warningsOf(report: Report): readonly string[] {
  const { machine, method } = report;
  const found: string[] = [...report.notes];
  /** Unless the run said so itself, in words of its own. */
  const warn = (isSo: boolean, text: string, said: RegExp): void => {
    if (isSo && !report.notes.some((note) => said.test(note))) found.push(text);
  };
  warn(
    method.isQuick,
    'This was a quick run: it shows that the bench works, not how fast anything is.',
    /not how fast/i,
  );
  warn(
    method.rounds < ENOUGH_ROUNDS,
    `Fewer than ${ENOUGH_ROUNDS} rounds: no difference is claimed from these figures.`,
    /fewer than .* rounds/i,
  );
  warn(
    !method.isPinned,
    'Programs were not pinned to cores: they may have taken turns on one.',
    /pinned/i,
  );
  warn(
    machine.cores < 2,
    'The machine has a single core: proxy, load and origin shared it.',
    /(?:one|single) core/i,
  );
  const control = machine.congestionControl;
  warn(
    !PLAIN_CONTROLS.includes(control),
    `TCP congestion control was ${control}: on loopback its timers, not the proxies, may decide.`,
    /congestion control/i,
  );
  warn(
    machine.loadAverage > BUSY,
    `The machine was not idle before the run: load average ${machine.loadAverage}.`,
    /load average/i,
  );
  if (machine.isModified) found.push('Files differed from the commit that is named.');
  for (const { label, missing } of report.contestants) {
    if (missing === null || report.notes.some((note) => note.includes(missing))) continue;
    found.push(`${label} is missing: ${missing}`);
  }
  const unused = report.cases.flatMap(({ samples }) => samples).filter((one) => !isUsable(one));
  if (unused.length > 0) {
    const samples = unused.length === 1 ? 'sample' : 'samples';
    found.push(`${unused.length} ${samples} with errors are not used; the cases say which.`);
  }
  return [...new Set(found)];
}

/** Where programs ran. */
export function placesName({ isPinned, proxyCores, loadCores }: Method): string {
  return isPinned
    ? `proxies ${proxyCores.join(', ')}; load and origin ${loadCores.join(', ')}`
    : 'not pinned';
}

/** Which network the run had, and what shaped its traffic. */
export function networkName({ network, congestionControl }: Machine): string {
  const where = network === 'own' ? 'a namespace of its own' : 'the host’s network';
  return `${where}, congestion control ${congestionControl}`;
}

/** What made the HTTP load, with its version. */
export function driverName({ driver, driverVersion }: Method): string {
  return driver === 'native' ? `our own ${driverVersion}` : driverVersion;
}
