// The top of the page: what it is, what to know first, what was claimed and what came of it.
import { dateOf, formatBytes, formatInterval, formatNumber } from '../numbers.ts';
import { type CaseRecord, type Report, SCENARIO_NAMES } from '../report.ts';
import { ENOUGH_ROUNDS, surenessOf } from '../statistics.ts';
import {
  type GoalState,
  type GoalVerdict,
  goalSubject,
  goalVerdicts,
  isMoreBetter,
  labelOf,
  METRIC_NAMES,
  standingsOf,
  unitOf,
} from '../verdicts.ts';
import { driverName, warningsOf } from '../warnings.ts';
import { figure } from './figure.ts';
import { type Content, html, type Markup } from './markup.ts';
import { anchorOf, capitalised, named, type Page } from './page.ts';
import { type RatioGroup, type RatioRow, ratios } from './ratios.ts';
import { number, prose, table, text } from './tables.ts';

export function head({ report }: Page): Markup {
  const { machine, at } = report;
  return html`<header><h1>Sluice bench on ${machine.host}</h1>
<p>${dateOf(at)} · ${machine.cpu}, ${machine.cores} ${machine.cores === 1 ? 'core' : 'cores'} · ${machine.distribution}, Linux ${machine.kernel}</p>
${warnings(report)}</header>
`;
}

function warnings(report: Report): Content {
  const all = warningsOf(report);
  if (all.length === 0) return null;
  return html`<div class="warnings" role="note"><strong>Before you read the figures</strong><ul>${all.map((one) => html`<li>${one}</li>`)}</ul></div>
`;
}

const STATES: Readonly<Record<GoalState, { readonly kind: string; readonly word: string }>> = {
  met: { kind: 'good', word: '✓ met' },
  'not met': { kind: 'bad', word: '✗ not met' },
  'not shown': { kind: 'open', word: '? not shown' },
  'no figure': { kind: 'open', word: '– no figure' },
};

/** Goals, then our ratio to everyone else in every case. */
export function verdicts(page: Page): Markup {
  const { report } = page;
  const goals = goalVerdicts(report);
  return html`<section id="verdicts"><h2>What it comes to</h2>
${goals.length === 0 ? html`<p>No case of this run has a goal.</p>` : goalTable(page, goals)}
${ratioPlots(page)}</section>
`;
}

function goalTable(page: Page, goals: readonly GoalVerdict[]): Markup {
  const count = (state: GoalState): number => goals.filter((one) => one.state === state).length;
  const counts = (['met', 'not met', 'not shown', 'no figure'] as const)
    .filter((state) => count(state) > 0)
    .map((state) => `${count(state)} ${state}`);
  const rows = goals.map(({ record, goal, found, state, reason }) => {
    const unit = goal.to === null ? ` ${unitOf(record, goal.metric)}` : '';
    return [
      html`<a href="#${anchorOf(page, record)}">${record.title}</a> <code>${record.id}</code>`,
      goalSubject(page.report, goal),
      `≤ ${formatNumber(goal.most)}${unit}`,
      found === null ? '' : formatNumber(found.median),
      found === null ? '' : formatInterval(found),
      html`<span class="${STATES[state].kind}">${STATES[state].word}</span>${reason !== '' && html` <span class="muted">${reason}</span>`}`,
    ];
  });
  return html`<p><strong>Goals: ${counts.join(', ')}.</strong> A goal is met, or not met, when the whole interval says so; else it is not shown.</p>
${table([prose('case'), text('goal for'), number('at most'), number('median'), number('interval'), prose('verdict')], rows)}`;
}

function ratioPlots(page: Page): Content {
  const { report } = page;
  const groups = report.cases.flatMap((record) => ratioGroup(page, record));
  if (groups.length === 0) return null;
  const plots = SCENARIO_NAMES.flatMap((scenario) => {
    const own = groups.filter((group) => group.record.scenario === scenario);
    const [first] = own;
    if (!first) return [];
    const ours = labelOf(report, first.of);
    return [
      figure({
        title: `${capitalised(scenario)}: ${ours} ÷ the others`,
        better: own.some(({ isRate }) => isRate)
          ? 'less than 1 is better, but for throughput'
          : 'less than 1 is better',
        description: own
          .flatMap(({ title, rows }) =>
            rows.map(
              ({ label, median, isShown }) =>
                `${title} ${label}: ${formatNumber(median)}${isShown ? '' : ', no difference shown'}`,
            ),
          )
          .join('. '),
        plot: ratios(own, groups, `${ours} ÷ the other, logarithmic`),
      }),
    ];
  });
  return html`<h3>Ours beside everyone else</h3>
<p class="muted">Ratios are taken within a round, where both saw the same machine; shown are their median and its interval. Hollow: no difference shown. Upright bar: the goal.</p>
<div class="plots">${plots}</div>`;
}

function ratioGroup(
  { report, palette }: Page,
  record: CaseRecord,
): readonly (RatioGroup & {
  readonly record: CaseRecord;
  readonly of: string;
  readonly isRate: boolean;
})[] {
  const standings = record.series === null ? standingsOf(report, record) : [];
  const [first] = standings;
  if (!first) return [];
  const { metric, of } = first;
  const rows = standings.map(({ to, ratio, difference }): RatioRow => {
    const goal = record.goals.find(
      (one) => one.of === of && one.to === to && one.metric === metric,
    );
    return {
      label: `÷ ${labelOf(report, to)}`,
      slot: palette.slotOf(to),
      median: ratio.median,
      low: ratio.low,
      high: ratio.high,
      isShown: difference === 'less' || difference === 'more',
      goal: goal?.most ?? null,
    };
  });
  const what = `${METRIC_NAMES[metric]}${isMoreBetter(metric) ? ': more is better' : ''}`;
  return [{ record, of, isRate: isMoreBetter(metric), title: `${record.title} (${what})`, rows }];
}

export function method({ report }: Page): Markup {
  const { method: how, machine } = report;
  const seconds = formatNumber(how.seconds);
  const where = how.isPinned
    ? `Proxies ran on ${coreList(how.proxyCores)}, load and origin on ${coreList(how.loadCores)}`
    : 'Nothing was pinned to a core';
  const network =
    machine.network === 'own'
      ? 'in a network namespace made for the run'
      : 'on the network of the machine itself';
  return html`<section id="method"><h2>Method</h2>
<p>Each contestant first had to answer exactly right, was warmed up, and was then sampled for ${seconds} s in each of ${how.rounds} rounds, which go through the contestants forwards and backwards in turn. ${where}, ${network}, with TCP congestion control ${machine.congestionControl}; HTTP load came from ${driverName(how)}. Cost is the CPU time of all processes of a proxy for a piece of work, ratios are taken within a round, and intervals are 95 % bootstrap intervals of the median${how.rounds >= ENOUGH_ROUNDS && surenessOf(how.rounds) < 0.95 && ` (from ${how.rounds} rounds, none can be surer than ${formatNumber(surenessOf(how.rounds) * 100)} %)`}; fewer than ${ENOUGH_ROUNDS} rounds claim nothing.</p>
</section>
`;
}

export function participants(page: Page): Markup {
  const { report } = page;
  const { machine } = report;
  const rows: readonly (readonly Content[])[] = [
    ['host', machine.host],
    ['CPU', `${machine.cpu}, ${machine.cores} ${machine.cores === 1 ? 'core' : 'cores'}`],
    ['memory', formatBytes(machine.memoryBytes)],
    ['system', `${machine.distribution}, Linux ${machine.kernel}`],
    [
      'network',
      `${machine.network === 'own' ? 'a namespace of its own' : 'the host’s'}, ${machine.congestionControl}`,
    ],
    ['Node.js', machine.nodeVersion],
    ['commit', `${machine.commit}${machine.isModified ? ', with changes' : ''}`],
    ['load before', formatNumber(machine.loadAverage)],
    ['began', report.at],
    ['took', `${formatNumber(report.wallSeconds / 60)} min`],
  ];
  return html`<section id="machine"><h2>Machine and contestants</h2>
<div class="plots"><div>${table([text('machine'), prose('')], rows)}</div>
<div>${table(
    [text('contestant'), text('version'), prose('takes part')],
    report.contestants.map(({ id, version, missing }) => [
      named(page, id),
      version ?? '–',
      missing === null ? 'yes' : html`<span class="bad">no</span>: ${missing}`,
    ]),
  )}</div></div></section>
`;
}

function coreList(cores: readonly number[]): string {
  if (cores.length === 0) return 'no core of their own';
  return `${cores.length === 1 ? 'core' : 'cores'} ${cores.join(', ')}`;
}
