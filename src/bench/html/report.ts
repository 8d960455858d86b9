// A Report as one page that needs nothing but itself: no script, no font, no network. What goes into it is escaped, and a
// content security policy forbids scripts besides.

import { dateOf } from '../numbers.ts';
import type { CaseRecord, Report, ScenarioName, Series } from '../report.ts';
import { SCENARIO_NAMES } from '../report.ts';
import { appendix } from './appendix.ts';
import { caseSection } from './cases.ts';
import { head, method, participants, verdicts } from './head.ts';
import { html, type Markup, trusted } from './markup.ts';
import { capitalised, type Page, pageOf, SCENARIO_TITLES } from './page.ts';
import { seriesSection } from './series.ts';
import { strategiesSection } from './strategies.ts';
import { STYLE } from './style.ts';

const STYLE_SHEET = trusted(STYLE);

export function renderReport(report: Report): string {
  const page = pageOf(report);
  const scenarios = SCENARIO_NAMES.filter((name) =>
    report.cases.some((one) => one.scenario === name),
  );
  const hasStrategies = report.strategies.length > 0;
  const links: readonly (readonly [id: string, title: string])[] = [
    ['verdicts', 'Verdicts'],
    ['method', 'Method'],
    ['machine', 'Machine'],
    ...scenarios.map((name) => [`scenario-${name}`, capitalised(name)] as const),
    ...(hasStrategies ? [['strategies', 'Strategies'] as const] : []),
    ['appendix', 'Appendix'],
  ];
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<title>Sluice bench on ${report.machine.host}, ${dateOf(report.at)}</title>
<style>${STYLE_SHEET}</style>
</head>
<body>
${head(page)}<nav aria-label="sections">${links.map(([id, title]) => html`<a href="#${id}">${title}</a> `)}</nav>
<main>
${verdicts(page)}${method(page)}${participants(page)}${scenarios.map((name) => scenarioSection(page, name))}${strategiesSection(page)}${appendix(page)}</main>
</body>
</html>
`.text;
}

function scenarioSection(page: Page, name: ScenarioName): Markup {
  const records = page.report.cases.filter(({ scenario }) => scenario === name);
  const known = new Set<string>();
  const sections = records.map((record) => {
    const { series } = record;
    if (series === null) return caseSection(page, record);
    if (known.has(series.name)) return null;
    known.add(series.name);
    return seriesSection(page, series, pointsOf(records, series));
  });
  return html`<section id="scenario-${name}"><h2>${SCENARIO_TITLES[name]}</h2>
${sections}</section>
`;
}

function pointsOf(records: readonly CaseRecord[], { name }: Series): readonly CaseRecord[] {
  return records.filter(({ series }) => series?.name === name);
}
