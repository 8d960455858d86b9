// What every part of the page needs: the report, its colours, and names as they are shown.
import type { CaseRecord, Report, ScenarioName } from '../report.ts';
import { type Figure, figuresOf } from '../statistics.ts';
import { labelOf, orderOf } from '../verdicts.ts';
import { html, type Markup } from './markup.ts';
import { type Palette, paletteOf } from './palette.ts';

export interface Page {
  readonly report: Report;
  readonly palette: Palette;
  /** Computed once for each case: intervals cost time. */
  readonly figures: ReadonlyMap<CaseRecord, readonly Figure[]>;
}

export function pageOf(report: Report): Page {
  const order = orderOf(report);
  return {
    report,
    palette: paletteOf(report),
    figures: new Map(report.cases.map((record) => [record, figuresOf(record, order)])),
  };
}

export function figuresIn({ figures }: Page, record: CaseRecord): readonly Figure[] {
  return figures.get(record) ?? [];
}

/** The name with a spot of its colour. */
export function named({ report, palette }: Page, id: string): Markup {
  return html`<span class="c${palette.slotOf(id)}"><span class="swatch"></span></span>${labelOf(report, id)}`;
}

/** A name for the fragment of a case's address; unique as ids are. */
export function anchorOf(page: Page, record: CaseRecord): string {
  return `case-${page.report.cases.indexOf(record) + 1}`;
}

export const SCENARIO_TITLES: Readonly<Record<ScenarioName, string>> = {
  layers: 'Layers: what each layer adds',
  engines: 'Engines: one configuration, each engine',
  rivals: 'Rivals: other proxies at the same work',
  tls: 'TLS: what it costs to end it here',
  forward: 'Forward: a proxy between people and the internet',
  strategies: 'Strategies: what a pick costs, and how evenly it spreads',
  scale: 'Scale: how cost grows',
};

export function capitalised(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
