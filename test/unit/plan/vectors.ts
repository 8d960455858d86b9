// Reads test/vectors, which native/test reads too.
import { readFileSync } from 'node:fs';

/** The fields of each line, unescapedd; bytes are characters of Latin-1. */
export function readVectors(name: string): string[][] {
  return readFileSync(new URL(`../../vectors/${name}.txt`, import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split('\t').map(unescaped));
}

function unescaped(field: string): string {
  if (field === "''") return '';
  return field.replace(
    /\\(?:x([0-9a-f]{2})|\*([0-9a-f]{2})([0-9]+);|\\)/g,
    (_, one?: string, many?: string, count?: string) => {
      if (one === undefined && many === undefined) return '\\';
      const character = String.fromCharCode(Number.parseInt(one ?? many ?? '', 16));
      return character.repeat(Number(count ?? 1));
    },
  );
}
