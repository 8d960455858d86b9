// One colour and one marker a contestant, the same in every plot. The colours keep apart for people who see red and green,
// or blue and yellow, alike, and stand out from the page by 3 to 1 or more; names stand beside them everywhere.
import type { Report } from '../report.ts';
import { html, type Markup } from './markup.ts';

export interface Slot {
  readonly light: string;
  readonly dark: string;
  /** An SVG path around 0,0. */
  readonly marker: string;
  /** stroke-dasharray of its lines; empty for a solid one. */
  readonly dash: string;
}

const CIRCLE = 'M4 0A4 4 0 1 1-4 0A4 4 0 1 1 4 0Z';
const SQUARE = 'M-3.5-3.5H3.5V3.5H-3.5Z';
const TRIANGLE = 'M0-4.6L4.4 3.4H-4.4Z';
const DIAMOND = 'M0-5L5 0L0 5L-5 0Z';
const UNDER = 'M0 4.6L4.4-3.4H-4.4Z';
const PLUS = 'M-1.5-4.5H1.5V-1.5H4.5V1.5H1.5V4.5H-1.5V1.5H-4.5V-1.5H-1.5Z';

export const SLOTS: readonly Slot[] = [
  { light: '#1068de', dark: '#839dff', marker: CIRCLE, dash: '' },
  { light: '#0a87ba', dark: '#2f9fd6', marker: DIAMOND, dash: '7 3' },
  { light: '#a8683c', dark: '#c98a5c', marker: SQUARE, dash: '7 3' },
  { light: '#5f8a0c', dark: '#7fae20', marker: TRIANGLE, dash: '' },
  { light: '#ad1817', dark: '#fdad9d', marker: SQUARE, dash: '' },
  { light: '#e0347b', dark: '#f25a98', marker: DIAMOND, dash: '' },
  { light: '#7c138b', dark: '#fbc4fe', marker: UNDER, dash: '3 3' },
  { light: '#5e3e60', dark: '#c9a3cc', marker: PLUS, dash: '3 3' },
  { light: '#47775b', dark: '#7cad8f', marker: CIRCLE, dash: '2 4' },
  { light: '#6b6b6b', dark: '#a8a8a8', marker: TRIANGLE, dash: '10 3 2 3' },
  { light: '#2b2f77', dark: '#c7cbff', marker: PLUS, dash: '10 3 2 3' },
  { light: '#857300', dark: '#b8a42a', marker: UNDER, dash: '10 3 2 3' },
];

/** Contestants whose colour is theirs in every report. */
const FIXED: Readonly<Record<string, number>> = {
  native: 0,
  uws: 1,
  js: 2,
  nginx: 3,
  // A rival of forward proxies, which never meets nginx.
  squid: 3,
  haproxy: 4,
  'haproxy-splice': 5,
  'http-proxy': 6,
  'fastify-http-proxy': 7,
  direct: 8,
  // Layers never meet rivals or the other loop.
  'native-http': 0,
  'native-tcp-splice': 9,
  'native-tcp-copy': 10,
  'native-udp': 11,
  'native-epoll': 9,
  // In reports of before `native` chose it by itself.
  'native-io-uring': 9,
};

export interface Palette {
  /** The place in SLOTS of a contestant. */
  slotOf(contestant: string): number;
}

/** The others take what is free, in the order of presentation. */
export function paletteOf(report: Report): Palette {
  const ids = [
    ...report.contestants.map(({ id }) => id),
    ...report.cases.flatMap(({ samples }) => samples.map(({ contestant }) => contestant)),
  ];
  const slots = new Map(Object.entries(FIXED).filter(([id]) => ids.includes(id)));
  const free = SLOTS.map((_, slot) => slot).filter((slot) => ![...slots.values()].includes(slot));
  let taken = 0;
  for (const id of ids) {
    if (slots.has(id)) continue;
    const slot = free[taken % free.length] ?? taken % SLOTS.length;
    slots.set(id, slot);
    taken++;
  }
  return { slotOf: (contestant) => slots.get(contestant) ?? SLOTS.length - 1 };
}

/** CSS: `.c3` has the colour of slot 3; its marks are filled with currentColor. */
export function colourRules(scheme: 'light' | 'dark'): string {
  return SLOTS.map((slot, i) => `.c${i}{color:${slot[scheme]}}`).join('');
}

export function markerAt(slot: number, x: number, y: number, isHollow = false): Markup {
  const path = SLOTS[slot]?.marker ?? CIRCLE;
  const kind = isHollow ? 'hollow' : 'mark';
  return html`<path class="${kind}" transform="translate(${x} ${y})" d="${path}"/>`;
}
