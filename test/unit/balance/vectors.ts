// Reads test/vectors/balance, which native/test/balance reads too.
import { readFileSync } from 'node:fs';

/** The lines of a vector file as words, without comments and empty lines. */
export function readVectors(name: string): { readonly line: string; readonly words: string[] }[] {
  const url = new URL(`../../vectors/balance/${name}.txt`, import.meta.url);
  return readFileSync(url, 'utf8')
    .split('\n')
    .map((line) => line.replace(/^#.*/, '').trim())
    .filter((line) => line !== '')
    .map((line) => ({ line, words: line.split(' ') }));
}

export function numbers(list: string | undefined): number[] {
  if (list === undefined) throw new Error('a vector line is too short');
  return list === '-' ? [] : list.split(',').map(Number);
}
