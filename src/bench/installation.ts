// Where this installation of Sluice lies and what it is: the same from src/bench and from dist/bench.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..', '..');

export function sluiceVersion(): string {
  const description = readFileSync(join(ROOT, 'package.json'), 'utf8');
  return (JSON.parse(description) as { readonly version: string }).version;
}
