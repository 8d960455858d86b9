// The end of the page: what every contestant was started with, and every sample.
import { formatGrouped, NO_FIGURE } from '../numbers.ts';
import type { Sample } from '../report.ts';
import { labelOf } from '../verdicts.ts';
import { details } from './figure.ts';
import { embedJson, html, type Markup } from './markup.ts';
import { named, type Page } from './page.ts';
import { number, prose, table, text } from './tables.ts';

export function appendix(page: Page): Markup {
  return html`<section id="appendix"><h2>Appendix</h2>
<h3>Configurations</h3>
${configurations(page)}
<h3>Raw samples</h3>
<p>Every sample is in <a href="report.json">report.json</a>, beside this page as a run writes it, and within this page: the element with the id <code>report</code> holds the same JSON. <code>sluice bench compare</code> and <code>sluice bench assert</code> work on that file.</p>
<div class="screen">${page.report.cases.map((record) => details(`${record.id}: ${record.samples.length} samples`, samples(page, record.samples)))}</div>
</section>
<script type="application/json" id="report">${embedJson(page.report)}</script>
`;
}

/** Each text once, with all cases that were run with it. */
function configurations({ report }: Page): Markup {
  const known = new Map<string, { readonly who: string; readonly text: string; cases: string[] }>();
  const add = (who: string, text: string, id: string): void => {
    const key = JSON.stringify([who, text]);
    const entry = known.get(key) ?? { who, text, cases: [] };
    entry.cases.push(id);
    known.set(key, entry);
  };
  for (const record of report.cases) {
    if (record.configuration !== null) add('Sluice, as written', record.configuration, record.id);
    for (const [id, text] of Object.entries(record.configurations)) {
      if (text !== record.configuration) add(labelOf(report, id), text, record.id);
    }
  }
  if (known.size === 0) return html`<p>The report holds no configurations.</p>`;
  return html`${[...known.values()].map(({ who, text, cases }) =>
    details(`${who}: ${cases.join(', ')}`, html`<pre>${text}</pre>`),
  )}`;
}

function samples(page: Page, all: readonly Sample[]): Markup {
  const columns = [
    text('contestant'),
    ...[
      'round',
      'position',
      'work',
      'seconds',
      'CPU s',
      'user s',
      'machine s',
      'generator s',
      'origin s',
      'rate',
      'intended',
    ].map(number),
    text('held back by'),
    ...['p50 µs', 'p99 µs', 'lost', 'late', 'memory'].map(number),
    prose('errors'),
  ];
  const optional = (value: number | null | undefined): string =>
    value === null || value === undefined ? NO_FIGURE : formatGrouped(value);
  return table(
    columns,
    all.map((one) => [
      named(page, one.contestant),
      String(one.round),
      String(one.position),
      ...[one.work, one.wallSeconds, one.cpuSeconds, one.userSeconds, one.machineBusySeconds].map(
        formatGrouped,
      ),
      ...[one.generatorCpuSeconds, one.originCpuSeconds, one.rate].map(formatGrouped),
      optional(one.intendedRate),
      one.limit ?? NO_FIGURE,
      ...[one.latency?.p50, one.latency?.p99].map(optional),
      ...[one.lost, one.late].map(formatGrouped),
      optional(one.memoryBytes),
      one.errors.join('; '),
    ]),
  );
}
