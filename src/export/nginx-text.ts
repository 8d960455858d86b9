// How nginx's configuration is written: words that nothing in a configuration of ours can break out of, blocks, and
// the definitions (maps) that some values need.
import { indent } from './exported.ts';

/** nginx refuses words of more than 4096 bytes; one that is longer is put together from variables. */
const MAX_WORD = 3_000;
/** What may stand in nginx's configuration as it is. */
const BARE = /^[A-Za-z0-9_./:@=,~+*-]+$/;

/** An empty value, which keeps nginx from passing on the client's. */
export const NOTHING = '""';

/** A word that nginx takes as it stands. */
export function literal(text: string): string {
  return BARE.test(text) ? text : `"${escaped(text)}"`;
}

export function block(head: string, body: readonly string[]): string[] {
  return [`${head} {`, ...indent(body), '}'];
}

/** nginx's tokenizer knows these escapes in quotes, and leaves other backslashes alone. */
function escaped(text: string): string {
  return text
    .replace(/[\\"]/g, '\\$&')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t');
}

/** The maps that values of one context need, each printed once, before what uses them. */
export class Definitions {
  readonly #blocks = new Map<string, readonly string[]>();
  #texts = 0;

  get lines(): string[] {
    const many =
      this.#blocks.size > 25 ? [`variables_hash_max_size ${this.#blocks.size * 64};`] : [];
    return [...many, ...[...this.#blocks.values()].flat()];
  }

  /** A variable of this name; `make` is asked the first time. */
  variable(name: string, make: (name: string) => readonly string[]): string {
    const variable = `$sluice_${name}`;
    if (!this.#blocks.has(variable)) {
      // The place is taken before the block is made, because making it may need definitions of its own.
      this.#blocks.set(variable, []);
      const lines = make(variable);
      this.#blocks.delete(variable);
      this.#blocks.set(variable, lines);
    }
    return variable;
  }

  /** Lines that stand once before what uses them. */
  once(key: string, lines: readonly string[]): void {
    this.#blocks.set(key, lines);
  }

  /** A word that means exactly `text` where nginx would look for variables in it. */
  value(text: string): string {
    return this.template([text]);
  }

  /** A word of literal pieces and variables in turn, beginning with a piece. */
  template(parts: readonly string[]): string {
    return this.#word(
      parts.flatMap((part, i) => {
        // Captures have no braces in nginx: no digit may follow one.
        if (i % 2 === 1) return [/^\$\d$/.test(part) ? part : `\${${part.slice(1)}}`];
        return [...part].map((character) =>
          character === '$' ? this.#dollar() : escaped(character),
        );
      }),
    );
  }

  /** A variable that is empty: `return 404 ""` would send nginx's own page. */
  empty(): string {
    return this.variable('empty', (name) => block(`map "" ${name}`, ['default "";']));
  }

  /** nginx has no escape for a dollar; the values of `geo` are the ones that it does not look into. */
  #dollar(): string {
    const name = this.variable('dollar', (own) => block(`geo ${own}`, ['default "$";']));
    return `\${${name.slice(1)}}`;
  }

  #word(atoms: readonly string[]): string {
    const words: string[] = [''];
    let bytes = 0;
    for (const atom of atoms) {
      const length = Buffer.byteLength(atom);
      if (bytes + length > MAX_WORD) {
        words.push('');
        bytes = 0;
      }
      words[words.length - 1] += atom;
      bytes += length;
    }
    const [only = ''] = words;
    if (words.length === 1) {
      const variable = /^\$\{(\w+)\}$/.exec(only)?.[1];
      if (variable !== undefined) return `$${variable}`;
      return BARE.test(only) ? only : `"${only}"`;
    }
    return this.#word(
      words.map((word) => {
        const name = this.variable(`text_${++this.#texts}`, (variable) =>
          block(`map "" ${variable}`, [`default "${word}";`]),
        );
        return `\${${name.slice(1)}}`;
      }),
    );
  }
}
