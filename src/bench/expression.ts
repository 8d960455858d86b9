// The expressions of `sluice bench assert`, such as `cost(native)/cost(nginx) < 0.85`: text to a tree. Sums, products and
// parentheses over numbers and metrics, and one comparison. Nothing of it is ever run as code.
import { closest } from '../config/closest.ts';
import { METRICS, type Metric } from './report.ts';

export type Term =
  | { readonly kind: 'number'; readonly value: number }
  | MetricTerm
  | { readonly kind: 'negative'; readonly of: Term }
  | {
      readonly kind: 'binary';
      readonly operator: '+' | '-' | '*' | '/';
      readonly left: Term;
      readonly right: Term;
    };

export interface MetricTerm {
  readonly kind: 'metric';
  readonly metric: Metric;
  readonly contestant: string;
  /** Null where the expression leaves the case open. */
  readonly caseId: string | null;
  /** Where the names stand in the text, for errors about them. */
  readonly at: number;
}

export type Comparator = '<' | '<=' | '>' | '>=';

export interface Assertion {
  readonly left: Term;
  readonly comparator: Comparator;
  readonly right: Term;
}

const LONGEST = 2_000;
const COMPARATORS: readonly Comparator[] = ['<=', '>=', '<', '>'];

/** Throws an Error that shows the place for anything but one comparison. */
export function parseAssertion(text: string): Assertion {
  if (text.length > LONGEST) {
    throw new Error(`an expression of ${text.length} characters is too long: at most ${LONGEST}`);
  }
  const reader = new Reader(text);
  const left = readSum(reader);
  const comparator = COMPARATORS.find((one) => reader.take(one));
  if (!comparator) throw reader.error('expected <, <=, > or >=');
  const right = readSum(reader);
  if (!reader.isAtEnd()) throw reader.error('expected the end: one comparison only');
  return { left, comparator, right };
}

/** Every metric that an assertion names, in the order of the text. */
export function metricsIn({ left, right }: Assertion): readonly MetricTerm[] {
  return [...metricsOf(left), ...metricsOf(right)];
}

export function evaluate(term: Term, read: (metric: MetricTerm) => number): number {
  switch (term.kind) {
    case 'number':
      return term.value;
    case 'metric':
      return read(term);
    case 'negative':
      return -evaluate(term.of, read);
    case 'binary': {
      const [left, right] = [evaluate(term.left, read), evaluate(term.right, read)];
      switch (term.operator) {
        case '+':
          return left + right;
        case '-':
          return left - right;
        case '*':
          return left * right;
        case '/':
          return left / right;
      }
    }
  }
}

/** An Error whose text shows the expression with a mark below the place. */
export function errorAt(text: string, at: number, problem: string): Error {
  return new Error(`at character ${at + 1}: ${problem}\n  ${text}\n  ${' '.repeat(at)}^`);
}

function metricsOf(term: Term): readonly MetricTerm[] {
  switch (term.kind) {
    case 'number':
      return [];
    case 'metric':
      return [term];
    case 'negative':
      return metricsOf(term.of);
    case 'binary':
      return [...metricsOf(term.left), ...metricsOf(term.right)];
  }
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get at(): number {
    return this.#at;
  }

  isAtEnd(): boolean {
    this.match(/\s*/y);
    return this.#at === this.#text.length;
  }

  /** Past the symbol when it comes next. */
  take(symbol: string): boolean {
    this.match(/\s*/y);
    if (!this.#text.startsWith(symbol, this.#at)) return false;
    this.#at += symbol.length;
    return true;
  }

  /** Past what a sticky pattern matches here; null when it does not. */
  match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? null;
    this.#at += found?.length ?? 0;
    return found;
  }

  error(problem: string, at = this.#at): Error {
    const found = this.#text.slice(at, at + 1);
    const seen = found === '' ? 'the end' : `'${found}'`;
    return errorAt(this.#text, at, `${problem} but found ${seen}`);
  }

  errorAbout(problem: string, at: number): Error {
    return errorAt(this.#text, at, problem);
  }
}

function readSum(reader: Reader): Term {
  let left = readProduct(reader);
  for (;;) {
    const operator = (['+', '-'] as const).find((one) => reader.take(one));
    if (!operator) return left;
    left = { kind: 'binary', operator, left, right: readProduct(reader) };
  }
}

function readProduct(reader: Reader): Term {
  let left = readFactor(reader);
  for (;;) {
    const operator = (['*', '/'] as const).find((one) => reader.take(one));
    if (!operator) return left;
    left = { kind: 'binary', operator, left, right: readFactor(reader) };
  }
}

function readFactor(reader: Reader): Term {
  if (reader.take('-')) return { kind: 'negative', of: readFactor(reader) };
  if (reader.take('(')) {
    const inner = readSum(reader);
    if (!reader.take(')')) throw reader.error("expected ')'");
    return inner;
  }
  const number = reader.match(/(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/y);
  if (number !== null) return { kind: 'number', value: Number(number) };
  const at = reader.at;
  const word = reader.match(/[A-Za-z]\w*/y);
  if (word === null) throw reader.error("expected a number, a metric such as cost(native), or '('");
  return readMetric(reader, word, at);
}

function readMetric(reader: Reader, word: string, wordAt: number): Term {
  const metric = METRICS.find((one) => one === word);
  if (!metric) {
    const near = closest(word, METRICS);
    const hint = near === null ? '' : `; did you mean ${near}?`;
    const problem = `there is no metric '${word}'${hint} (there are ${METRICS.join(', ')})`;
    throw reader.errorAbout(problem, wordAt);
  }
  if (!reader.take('(')) throw reader.error(`expected '(' behind ${metric}`);
  reader.match(/\s*/y);
  const at = reader.at;
  const contestant = readName(reader, 'a contestant, such as native');
  const caseId = reader.take(',') ? readName(reader, 'a case, such as rivals/http-small-64') : null;
  if (!reader.take(')')) throw reader.error("expected ')'");
  return { kind: 'metric', metric, contestant, caseId, at };
}

/** Ids hold dashes, slashes, dots and at-signs; they end at a space, a comma or a parenthesis. */
function readName(reader: Reader, what: string): string {
  reader.match(/\s*/y);
  const name = reader.match(/[^\s,()<>]+/y);
  if (name === null) throw reader.error(`expected ${what}`);
  return name;
}
