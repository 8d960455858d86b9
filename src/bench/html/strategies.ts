// Strategies: bars of what a pick costs, and the table of how evenly it spreads.
import { formatGrouped, formatInterval, formatNumber, NO_FIGURE } from '../numbers.ts';
import type { StrategyFigure } from '../report.ts';
import { bootstrapMedian, median } from '../statistics.ts';
import { bars } from './bars.ts';
import { details, figure } from './figure.ts';
import { html, type Markup } from './markup.ts';
import { type Page, SCENARIO_TITLES } from './page.ts';
import { number, table, text } from './tables.ts';

export function strategiesSection(page: Page): Markup | null {
  const { strategies } = page.report;
  if (strategies.length === 0) return null;
  const sizes = [...new Set(strategies.map(({ targets }) => targets))].sort((a, b) => a - b);
  return html`<section id="strategies"><h2>${SCENARIO_TITLES.strategies}</h2>
<p class="muted">Measured with the code that serves traffic: native in a C++ loop, js in Node.js. Imbalance is the largest share of picks over the share that the weights promise; 1 is perfect. Moved: clients whose target changed when one target went.</p>
<div class="plots">${sizes.map((targets) => costs(page, targets))}</div>
${details('Numbers', table([text('strategy'), text('engine'), number('targets'), text('weights'), number('ns a pick'), number('interval'), number('imbalance'), number('picks'), number('moved')], strategies.map(row)))}</section>
`;
}

/** Equal weights stand for both: the table has the rest. */
function costs({ palette, report }: Page, targets: number): Markup {
  const weights = report.strategies.some(
    (one) => one.targets === targets && one.weights === 'equal',
  )
    ? 'equal'
    : 'skewed';
  const shown = report.strategies.filter(
    (one) => one.targets === targets && one.weights === weights,
  );
  const title = `A pick among ${targets} targets, ${weights} weights`;
  return figure({
    title,
    better: 'less is better',
    description: `${title}: ${shown.map((one) => `${one.strategy}, ${one.engine}: ${formatNumber(median(one.pickNs))} ns`).join('. ')}`,
    plot: bars(
      shown.map((one) => ({
        label: `${one.strategy}, ${one.engine}`,
        slot: palette.slotOf(one.engine),
        value:
          one.pickNs.length === 0
            ? null
            : { median: median(one.pickNs), ...bootstrapMedian(one.pickNs) },
        remark: one.pickNs.length === 0 ? 'not measured' : '',
      })),
      'ns/pick',
    ),
  });
}

function row(one: StrategyFigure): readonly string[] {
  const { pickNs } = one;
  return [
    one.strategy,
    one.engine,
    String(one.targets),
    one.weights,
    pickNs.length === 0 ? NO_FIGURE : formatNumber(median(pickNs)),
    pickNs.length === 0 ? NO_FIGURE : formatInterval(bootstrapMedian(pickNs)),
    one.imbalance.toFixed(3),
    formatGrouped(one.picks),
    one.moved === null ? '' : `${formatNumber(100 * one.moved)} %`,
  ];
}
