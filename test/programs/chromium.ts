// Headless Chromium as a client of proxies.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { missing, pathOf, type Ran, runProgram } from './programs.ts';
import { keyDigest, type Pair } from './site.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'] as const;

export const noChromium = (): string | false => missing(...NAMES);

/** Loads `url` and does what `args` say once it is loaded: `--dump-dom`, `--screenshot=FILE`. Believes `pair`. */
export function browse(
  folder: string,
  pair: Pair,
  url: string,
  ...args: readonly string[]
): Promise<Ran> {
  const digest = createHash('sha256').update(keyDigest(pair)).digest('base64');
  return runProgram(pathOf(...NAMES) ?? '', [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
    ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    `--ignore-certificate-errors-spki-list=${digest}`,
    `--user-data-dir=${join(folder, 'chromium')}`,
    ...args,
    url,
  ]);
}
