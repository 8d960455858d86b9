// Prints docs/performance.md from the report.json of a bench run:
//   node --import tsx scripts/print-performance.ts DIR/report.json [FILE] [--check]
// With --check nothing is written: it exits 1 when FILE is not what the report prints.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { renderPerformance } from '../src/bench/performance-page.ts';
import { readReport } from '../src/bench/read-report.ts';

const PAGE = fileURLToPath(new URL('../docs/performance.md', import.meta.url));

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { check: { type: 'boolean', default: false } },
  });
  const [report, file = PAGE, ...rest] = positionals;
  if (report === undefined || rest.length > 0) {
    throw new Error('usage: print-performance.ts REPORT.json [FILE] [--check]');
  }
  const page = renderPerformance(readReport(report));
  if (!values.check) {
    writeFileSync(file, page);
  } else if (!existsSync(file) || readFileSync(file, 'utf8') !== page) {
    throw new Error(`${file} is not what ${report} prints: run this without --check`);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
