// Prints docs/performance.md from the report.json of a full bench run, and of longer runs of some of its cases:
//   node --import tsx scripts/print-performance.ts DIR/report.json [FILE] [--longer A/report.json,…] [--check]
// With --check nothing is written: it exits 1 when FILE is not what the reports print.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { renderPerformance } from '../src/bench/performance-page.ts';
import { readReport } from '../src/bench/read-report.ts';

const PAGE = fileURLToPath(new URL('../docs/performance.md', import.meta.url));
const USAGE = 'usage: print-performance.ts REPORT.json [FILE] [--longer A.json,B.json,…] [--check]';

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      longer: { type: 'string', multiple: true, default: [] },
      check: { type: 'boolean', default: false },
    },
  });
  const [report, file = PAGE, ...rest] = positionals;
  const longer = values.longer.flatMap((list) => list.split(','));
  if (report === undefined || rest.length > 0 || longer.includes('')) throw new Error(USAGE);
  const page = renderPerformance(
    readReport(report),
    longer.map((subject) => ({ subject, report: readReport(subject) })),
  );
  if (!values.check) {
    writeFileSync(file, page);
  } else if (!existsSync(file) || readFileSync(file, 'utf8') !== page) {
    const from = [report, ...longer].join(', ');
    throw new Error(`${file} is not what ${from} prints: run this without --check`);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
