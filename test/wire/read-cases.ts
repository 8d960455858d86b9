// Reads wire cases from Markdown. A case is a level-two heading, prose, and fenced blocks:
//
//   request    the raw bytes that a client sends        (`request end`: and then its FIN)
//   values     one case for each line, put where the other blocks say {value}
//   forward    what the target gets: `nothing`, `partial`, or the requests
//   reply      what the client gets: a status a line, then `close` or `open`
//   attempts   that the target may be asked more than once
//   response   the raw bytes that the target answers with (and then FIN; `reset`: RST;
//              `keep`: nothing; `stall head`, `stall body`: nothing, which is the point)
//
// Line ends of a block are not part of the bytes; \r \n \t \0 \e (nothing) \\ \xHH and \{count:text} are. \| is nothing
// either, and the message is not cut there.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface WireBlock {
  readonly text: string;
  /** What stands after the block's kind. */
  readonly info: string;
  /**
   * Where a value was put, in bytes. The first value of a case is cut at every byte like any message, the others
   * around the value only: what comes before it has been cut already.
   */
  readonly focus?: { readonly from: number; readonly to: number };
}

export interface WireCase {
  /** Identifier and sentence; unique over all files. */
  readonly name: string;
  readonly file: string;
  readonly blocks: ReadonlyMap<string, WireBlock>;
}

export function readCases(folder: URL): WireCase[] {
  const directory = path.resolve(folder.pathname);
  const files = readdirSync(directory).filter((name) => name.endsWith('.md'));
  return files
    .toSorted()
    .flatMap((file) => casesOf(file, readFileSync(path.join(directory, file), 'utf8')));
}

function casesOf(file: string, text: string): WireCase[] {
  const sections = text.split(/^## /m).slice(1);
  return sections.flatMap((section) => {
    const name = section.slice(0, section.indexOf('\n')).trim();
    const blocks = new Map<string, WireBlock>();
    for (const [, kind = '', info = '', body = ''] of section.matchAll(
      /^```(\w+) ?(.*)\n((?:.*\n)*?)```$/gm,
    )) {
      if (blocks.has(kind)) throw new Error(`${file}: ${name} has two ${kind} blocks`);
      blocks.set(kind, { text: body, info: info.trim() });
    }
    if (blocks.size === 0) throw new Error(`${file}: ${name} has no blocks`);
    const values = blocks.get('values');
    if (values === undefined) return [{ name, file, blocks }];
    blocks.delete('values');
    return linesOf(values.text).map((value, i) => ({
      name: `${name}: ${value}`,
      file,
      blocks: new Map([...blocks].map(([kind, block]) => [kind, withValue(block, value, i === 0)])),
    }));
  });
}

function withValue(block: WireBlock, value: string, isFirst: boolean): WireBlock {
  const text = block.text.replaceAll('{value}', value);
  const at = block.text.indexOf('{value}');
  if (isFirst || at < 0) return { ...block, text };
  const from = blockBytes(block.text.slice(0, at)).length;
  return { ...block, text, focus: { from, to: from + blockBytes(value).length } };
}

export function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

const NAMED: Readonly<Record<string, string>> = {
  r: '\r',
  n: '\n',
  t: '\t',
  0: '\0',
  e: '',
  '|': '',
  '\\': '\\',
};

/** Where a message may not be cut, or nowhere. */
export function uncutOf(text: string): number | undefined {
  const at = text.indexOf('\\|');
  return at < 0 ? undefined : blockBytes(text.slice(0, at)).length;
}

/** The bytes that a block stands for. */
export function blockBytes(text: string): Buffer {
  const joined = text.replaceAll('\n', '');
  const plain = joined.replace(
    /\\(?:x([0-9A-Fa-f]{2})|\{(\d+):((?:[^}\\]|\\[rnt0])*)\}|(.))/g,
    (whole, hex?: string, count?: string, repeated?: string, named?: string) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      if (count !== undefined)
        return blockBytes(repeated ?? '')
          .toString('latin1')
          .repeat(Number(count));
      const character = NAMED[named ?? ''];
      if (character === undefined) throw new Error(`unknown escape ${whole}`);
      return character;
    },
  );
  return Buffer.from(plain, 'latin1');
}
