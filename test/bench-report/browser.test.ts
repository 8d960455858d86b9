// The HTML report in a browser: what only a browser knows. Needs Chromium, and says so where there is none.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { renderReport } from '../../src/bench/html/report.ts';
import { describePicture, readPng } from './png.ts';
import { nastyReport, sampleReport } from './sample.ts';

const BROWSER = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);
const skip = BROWSER ? false : 'NOT CHECKED: no Chromium here (apt-get install chromium)';
if (skip) console.error(`!! ${skip}`);

const OPTIONS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  ...['--hide-scrollbars', '--enable-logging=stderr', '--v=0'],
];
const DARK = '--blink-settings=preferredColorScheme=0';
const LIGHT = '--blink-settings=preferredColorScheme=1';

/** What the probe found out, in the page at one width. */
interface Probe {
  readonly innerWidth: number;
  readonly scrollWidth: number;
  readonly clashes: readonly string[];
  readonly faint: readonly string[];
}

const PROBE = readFileSync(new URL('page-probe.js', import.meta.url), 'utf8');

const REPORTS = [
  ['a usual report', sampleReport()],
  ['a nasty report', nastyReport()],
] as const;

describe('the page in a browser', { skip }, () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-report-page-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const [name, report] of REPORTS) {
    const page = renderReport(report);
    const isUsual = report === REPORTS[0][1];

    for (const [scheme, isDark] of [
      [LIGHT, false],
      [DARK, true],
    ] as const) {
      const looks = isDark ? 'dark' : 'light';

      it(`shows ${name} in ${looks} mode without a complaint`, async () => {
        const shot = join(folder, `${looks}.png`);
        const { complaints } = await browse(page, [
          scheme,
          '--window-size=1200,1600',
          `--screenshot=${shot}`,
        ]);
        assert.deepEqual(complaints, []);
        const { lightness, colours } = describePicture(readPng(readFileSync(shot)));
        assert.ok(colours > 100, `${colours} colours: is anything drawn?`);
        assert.ok(isDark ? lightness < 0.3 : lightness > 0.8, `lightness ${lightness}`);
      });

      for (const width of [1200, 400]) {
        it(`fits ${name} into ${width} pixels in ${looks} mode, every word apart and readable`, async () => {
          const probe = await look(page, width, scheme);
          assert.equal(probe.innerWidth, width);
          assert.ok(probe.scrollWidth <= width, `${probe.scrollWidth} wide`);
          assert.deepEqual(probe.clashes, []);
          assert.deepEqual(probe.faint, []);
        });
      }
    }

    it(`prints ${name} on white, unfolded, however dark the screen is`, async (t) => {
      const paper = join(folder, 'page.pdf');
      const { complaints } = await browse(page, [
        DARK,
        '--no-pdf-header-footer',
        `--print-to-pdf=${paper}`,
      ]);
      assert.deepEqual(complaints, []);
      assert.equal(readFileSync(paper).toString('latin1', 0, 5), '%PDF-');
      if (spawnSync('pdftoppm', ['-v']).error) {
        t.diagnostic(
          '!! NOT CHECKED: how the PDF looks: no pdftoppm (apt-get install poppler-utils)',
        );
        return;
      }
      const start = join(folder, 'sheet');
      const { status } = spawnSync('pdftoppm', [
        '-r',
        '40',
        '-f',
        '1',
        '-l',
        '3',
        '-png',
        paper,
        start,
      ]);
      assert.equal(status, 0);
      const text = spawnSync('pdftotext', [paper, '-'], { encoding: 'utf8' }).stdout;
      if (isUsual) assert.match(text, /least – most/, 'the folded tables are not on paper');
      assert.match(text, /Raw samples/);
      for (const number of [1, 2, 3]) {
        const file = [`${start}-${number}.png`, `${start}-0${number}.png`].find(isThere);
        const { lightness, colours } = describePicture(readPng(readFileSync(file ?? '')));
        assert.ok(lightness > 0.85, `sheet ${number}: lightness ${lightness}`);
        assert.ok(colours > 20, `sheet ${number} is blank`);
      }
    });
  }

  async function look(page: string, width: number, scheme: string): Promise<Probe> {
    // A frame can be narrower than the narrowest window of a browser. Everything is unfolded, so that it is judged too.
    const probed = page
      .replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, '')
      .replaceAll('<details>', '<details open>')
      .replace('</body>', `<script>${PROBE}</script></body>`);
    assert.notEqual(probed, page);
    writeFileSync(join(folder, 'framed.html'), probed);
    const frame = `<!doctype html><meta charset="utf-8"><body style="margin:0"><iframe src="framed.html" style="border:0;width:${width}px;height:2000px"></iframe><pre id="found"></pre><script>addEventListener('message', (event) => { document.getElementById('found').textContent = JSON.stringify(event.data); });</script>`;
    const { output } = await browse(frame, [
      scheme,
      '--window-size=1300,2100',
      '--virtual-time-budget=8000',
      '--dump-dom',
    ]);
    const found = /<pre id="found">([^<]*)<\/pre>/.exec(output)?.[1] ?? '';
    assert.notEqual(found, '', 'the probe did not answer');
    return JSON.parse(
      found.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
    ) as Probe;
  }

  async function browse(
    page: string,
    options: readonly string[],
  ): Promise<{ readonly output: string; readonly complaints: readonly string[] }> {
    const file = join(folder, 'page.html');
    writeFileSync(file, page);
    const profile = mkdtempSync(join(folder, 'profile-'));
    const { output, log } = await new Promise<{ output: string; log: string }>(
      (resolve, reject) => {
        execFile(
          BROWSER ?? '',
          [...OPTIONS, `--user-data-dir=${profile}`, ...options, `file://${file}`],
          { maxBuffer: 64 * 1024 ** 2, timeout: 120_000, killSignal: 'SIGKILL' },
          (error, stdout, stderr) =>
            error ? reject(error) : resolve({ output: stdout, log: stderr }),
        );
      },
    );
    return { output, complaints: log.split('\n').filter((line) => line.includes('CONSOLE')) };
  }
});

function isThere(file: string): boolean {
  try {
    readFileSync(file);
    return true;
  } catch {
    return false;
  }
}
