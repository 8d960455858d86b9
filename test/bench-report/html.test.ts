// The HTML report as markup: whole, self-contained, escaped, and with room for its words.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { textWidth } from '../../src/bench/html/layout.ts';
import { renderReport } from '../../src/bench/html/report.ts';
import type { Report } from '../../src/bench/report.ts';
import { type Element, elementsOf, readPage, textOf } from './markup-check.ts';
import { makeCase, makeReport, makeSample, nastyReport, sampleReport } from './sample.ts';

const REPORTS: readonly (readonly [name: string, report: Report])[] = [
  ['a usual report', sampleReport()],
  ['a nasty report', nastyReport()],
  ['a report of nothing', makeReport({ contestants: [] })],
];

for (const [name, report] of REPORTS) {
  describe(`the page of ${name}`, () => {
    const page = renderReport(report);
    const tree = readPage(page);
    const drawings = elementsOf(tree, 'svg');

    it('fetches nothing and runs nothing', () => {
      for (const script of elementsOf(tree, 'script')) {
        assert.equal(script.attributes.get('type'), 'application/json');
      }
      for (const kind of ['link', 'img', 'iframe', 'object', 'use', 'image']) {
        assert.equal(elementsOf(tree, kind).length, 0, kind);
      }
      const policy = elementsOf(tree, 'meta').find(
        (meta) => meta.attributes.get('http-equiv') === 'Content-Security-Policy',
      );
      assert.match(policy?.attributes.get('content') ?? '', /^default-src 'none'/);
      assert.doesNotMatch(textOfStyle(tree), /url\(|@import/);
      assert.doesNotMatch(page.replace(/xmlns="[^"]*"/g, ''), /(?:src|href)="(?!#|report\.json)/);
    });

    it('prints the same for the same report', () => {
      assert.equal(renderReport(structuredClone(report)), page);
    });

    it('holds the report itself, whole', () => {
      const [holder] = elementsOf(tree, 'script');
      assert.deepEqual(JSON.parse(String(holder?.children[0])), JSON.parse(JSON.stringify(report)));
    });

    it('has an alternative in words for every plot, and a title that says what is better', () => {
      for (const drawing of drawings) {
        assert.equal(drawing.attributes.get('role'), 'img');
        assert.ok((drawing.attributes.get('aria-label') ?? '').length > 20);
      }
      for (const figure of elementsOf(tree, 'figure')) {
        const caption = elementsOf(figure, 'figcaption').map(textOf).join('');
        assert.match(caption, /is better/);
      }
    });

    it('draws within its frames, with numbers for coordinates', () => {
      for (const drawing of drawings) {
        const [, , width = 0, height = 0] = numbersIn(drawing.attributes.get('viewBox'));
        for (const kind of ['rect', 'line', 'path', 'text']) {
          for (const { attributes } of elementsOf(drawing, kind)) {
            for (const [key, value] of attributes) {
              assert.doesNotMatch(`${key}=${value}`, /NaN|Infinity|undefined/);
            }
          }
        }
        for (const { attributes } of elementsOf(drawing, 'rect')) {
          const [x, y, w, h] = ['x', 'y', 'width', 'height'].map((key) =>
            Number(attributes.get(key)),
          );
          assert.ok(x! >= 0 && y! >= 0 && w! >= 0 && x! + w! <= width + 1 && y! + h! <= height);
        }
      }
    });

    it('has no words that run out of their plot or into each other', () => {
      for (const drawing of drawings) {
        const [, , width = 0, height = 0] = numbersIn(drawing.attributes.get('viewBox'));
        const boxes = elementsOf(drawing, 'text').map(boxOf);
        for (const [i, box] of boxes.entries()) {
          const where = `${box.text} in ${drawing.attributes.get('aria-label')?.slice(0, 80)}`;
          assert.ok(box.left >= -6 && box.right <= width + 12, `cut: ${where}`);
          assert.ok(box.top >= -2 && box.bottom <= height + 2, `cut: ${where}`);
          for (const other of boxes.slice(i + 1)) {
            const isApart =
              box.right <= other.left + 1 ||
              other.right <= box.left + 1 ||
              box.bottom <= other.top + 1 ||
              other.bottom <= box.top + 1;
            assert.ok(isApart, `'${box.text}' runs into '${other.text}': ${where}`);
          }
        }
      }
    });

    it('links only to what is there, each name given once', () => {
      const names = [...page.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
      assert.equal(new Set(names).size, names.length);
      for (const link of elementsOf(tree, 'a')) {
        const to = link.attributes.get('href');
        if (to?.startsWith('#')) assert.ok(names.includes(to.slice(1)), to);
      }
    });
  });
}

describe('the page', () => {
  it('shows markup in a report as text', () => {
    const tree = readPage(renderReport(nastyReport()));
    const [heading] = elementsOf(tree, 'h1');
    assert.match(textOf(heading!), /<script>alert\(1\)<\/script>/);
    assert.equal(elementsOf(tree, 'script').length, 1);
  });

  it('says why a contestant is missing, absent or without a usable sample', () => {
    const text = textOf(readPage(renderReport(sampleReport())));
    assert.match(text, /npm install uNetworking\/uWebSockets\.js/);
    assert.match(text, /HAProxy has no figure: does not relay UDP/);
    const broken = makeReport({
      cases: [
        makeCase('rivals/a', {
          samples: [makeSample('native', 0, { errors: ['7 wrong answers'] })],
        }),
      ],
    });
    assert.match(
      textOf(readPage(renderReport(broken))),
      /1 of 1 samples not used: 7 wrong answers/,
    );
  });

  it('names what held a throughput back when it was not the proxy', () => {
    const samples = [0, 1, 2].map((round) => makeSample('nginx', round, { limit: 'generator' }));
    const page = renderReport(makeReport({ cases: [makeCase('rivals/a', { samples })] }));
    assert.match(
      textOf(readPage(page)),
      /The generator, not the proxy, held back the throughput of nginx/,
    );
  });

  it('keeps names apart that hold commas', () => {
    const names = ['Sluice native, TCP, copying', 'Sluice native, HTTP/1.1'];
    const contestants = names.map((label) => ({ id: label, label, version: '1', missing: null }));
    const samples = names.map((name) => makeSample(name, 0, { limit: 'generator' }));
    const page = renderReport(
      makeReport({ contestants, cases: [makeCase('layers/a', { samples })] }),
    );
    assert.match(
      textOf(readPage(page)),
      /held back the throughput of Sluice native, TCP, copying; Sluice native, HTTP\/1\.1: compare/,
    );
  });

  it('warns of a quick run, a busy or unpinned machine, and another congestion control', () => {
    const text = textOf(readPage(renderReport(nastyReport())));
    for (const warning of [/quick run/, /not pinned/, /load average 7\.5/, /bbr/, /single core/]) {
      assert.match(text, warning);
    }
  });

  it('has the figures of every contestant and case in a table too', () => {
    const tree = readPage(renderReport(sampleReport()));
    const tables = elementsOf(tree, 'table').map(textOf);
    for (const record of sampleReport().cases) {
      for (const id of new Set(record.samples.map(({ contestant }) => contestant))) {
        const label = sampleReport().contestants.find((one) => one.id === id)?.label ?? id;
        assert.ok(
          tables.some((table) => table.includes(label)),
          label,
        );
      }
    }
  });

  it('prints configurations once, with the cases that share them', () => {
    const text = textOf(readPage(renderReport(sampleReport())));
    assert.match(text, /nginx: rivals\/http-small-64, rivals\/tcp-bulk-pull/);
  });
});

interface Box {
  readonly text: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** By the same generous widths that the layout uses; heights are those of letters without the room around them. */
function boxOf(element: Element): Box {
  const text = textOf(element);
  const [x, y] = [Number(element.attributes.get('x')), Number(element.attributes.get('y'))];
  const width = textWidth(text);
  const share =
    { start: 0, middle: 0.5, end: 1 }[element.attributes.get('text-anchor') ?? 'start'] ?? 0;
  return {
    text,
    left: x - share * width,
    right: x + (1 - share) * width,
    top: y - 10,
    bottom: y + 2,
  };
}

function numbersIn(text: string | undefined): readonly number[] {
  return (text ?? '').split(' ').map(Number);
}

function textOfStyle(tree: Element): string {
  return elementsOf(tree, 'style')
    .flatMap(({ children }) => children)
    .join('');
}
