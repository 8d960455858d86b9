// From the text of a pathRegex to a nondeterministic automaton: regexpp reads JavaScript's syntax, this file
// refuses what no automaton of bounded size can do and lays the rest out as Thompson's construction does.
// Runs once a route at load time.
import { type AST, RegExpParser, RegExpSyntaxError } from '@eslint-community/regexpp';
import { assertNever } from '../contract/ids.ts';

/** 256 flags: which bytes are taken. */
export type ByteSet = Uint8Array;

/** States refer to each other by index; `match` is where a match is complete. */
export type NfaState =
  | { readonly kind: 'bytes'; readonly bytes: ByteSet; readonly next: number }
  | { readonly kind: 'fork'; readonly next: readonly number[] }
  | { readonly kind: 'at-start' | 'at-end'; readonly next: number }
  | { readonly kind: 'match' };

export interface Nfa {
  readonly states: readonly NfaState[];
  readonly start: number;
}

/** Thrown inside the regex compiler only; regex.ts turns it into a problem. */
export class RegexRefusal extends Error {
  readonly hint: string;

  constructor(hint: string) {
    super(hint);
    this.hint = hint;
  }
}

const MAX_SOURCE = 1000;
const MAX_NFA_STATES = 10_000;

export function buildNfa(source: string): Nfa {
  if (source.length > MAX_SOURCE) throw new RegexRefusal(`keep it under ${MAX_SOURCE} characters`);
  if (/[^\x20-\x7e]/.test(source)) {
    throw new RegexRefusal('paths are compared in ASCII form: escape other characters as %XX');
  }
  const states: NfaState[] = [{ kind: 'match' }];
  const add = (state: NfaState): number => {
    if (states.length >= MAX_NFA_STATES) throw new RegexRefusal('it is too large: simplify it');
    return states.push(state) - 1;
  };
  return { start: layAlternatives(parse(source).alternatives, 0, add), states };
}

function parse(source: string): AST.Pattern {
  try {
    // Strict: the web's legacy leniency (octal escapes, stray braces) is refused rather than guessed.
    return new RegExpParser({ strict: true, ecmaVersion: 2025 }).parsePattern(source);
  } catch (error) {
    if (!(error instanceof RegExpSyntaxError)) throw error;
    const reason = error.message.replace(/^Invalid regular expression: .*: /s, '');
    const place = Math.min(error.index + 1, source.length);
    throw new RegexRefusal(
      `${reason.charAt(0).toLowerCase()}${reason.slice(1)}, near character ${place}`,
    );
  }
}

type Add = (state: NfaState) => number;

/** Each lay function builds backwards: it is told the state that follows and returns the one that begins. */
function layAlternatives(alternatives: readonly AST.Alternative[], next: number, add: Add): number {
  const starts = alternatives.map((alternative) =>
    alternative.elements.reduceRight((follow, element) => layElement(element, follow, add), next),
  );
  const [only] = starts;
  return starts.length === 1 && only !== undefined ? only : add({ kind: 'fork', next: starts });
}

function layElement(element: AST.Element, next: number, add: Add): number {
  switch (element.type) {
    case 'Character':
      return add({ kind: 'bytes', bytes: bytesOf([element.value]), next });
    case 'CharacterSet':
    case 'CharacterClass':
      return add({ kind: 'bytes', bytes: classBytes(element), next });
    case 'Group':
      if (element.modifiers !== null) refuse('flags', element.raw);
      return layAlternatives(element.alternatives, next, add);
    case 'CapturingGroup':
      return layAlternatives(element.alternatives, next, add);
    case 'Quantifier':
      return layQuantifier(element, next, add);
    case 'Assertion':
      return layAssertion(element, next, add);
    case 'Backreference':
      return refuse('back-references', element.raw);
    case 'ExpressionCharacterClass':
      return refuse('set notation', element.raw);
    default:
      return assertNever(element);
  }
}

function layAssertion(element: AST.Assertion, next: number, add: Add): number {
  switch (element.kind) {
    case 'start':
      return add({ kind: 'at-start', next });
    case 'end':
      return add({ kind: 'at-end', next });
    case 'word':
      return refuse('word boundaries', element.raw);
    case 'lookahead':
    case 'lookbehind':
      return refuse(element.kind, element.raw);
    default:
      return assertNever(element);
  }
}

/** x{min,max}: min copies in a row, then either a loop or max - min copies that may each be left out. */
function layQuantifier(element: AST.Quantifier, next: number, add: Add): number {
  const lay = (follow: number): number => layElement(element.element, follow, add);
  let start = next;
  if (element.max === Number.POSITIVE_INFINITY) {
    const exits: number[] = [];
    const loop = add({ kind: 'fork', next: exits });
    exits.push(lay(loop), next);
    start = loop;
  } else {
    for (let copy = element.min; copy < element.max; copy++) {
      start = add({ kind: 'fork', next: [lay(start), next] });
    }
  }
  for (let copy = 0; copy < element.min; copy++) start = lay(start);
  return start;
}

function classBytes(
  element: AST.CharacterSet | AST.CharacterClass | AST.CharacterClassElement,
): ByteSet {
  switch (element.type) {
    case 'Character':
      return bytesOf([element.value]);
    case 'CharacterClassRange': {
      const { min, max } = element;
      return bytesOf(Array.from({ length: max.value - min.value + 1 }, (_, i) => min.value + i));
    }
    case 'CharacterSet':
      return setBytes(element);
    case 'CharacterClass': {
      const bytes = new Uint8Array(256);
      for (const part of element.elements) {
        const taken = classBytes(part);
        for (let byte = 0; byte < 256; byte++)
          bytes[byte] = (bytes[byte] ?? 0) | (taken[byte] ?? 0);
      }
      return element.negate ? complement(bytes) : bytes;
    }
    case 'ClassStringDisjunction':
    case 'ExpressionCharacterClass':
      return refuse('set notation', element.raw);
    default:
      return assertNever(element);
  }
}

function setBytes(element: AST.CharacterSet): ByteSet {
  switch (element.kind) {
    case 'any':
      return complement(bytesWhere(/[\n\r]/));
    case 'digit':
      return bytesWhere(element.negate ? /\D/ : /\d/);
    case 'space':
      return bytesWhere(element.negate ? /\S/ : /\s/);
    case 'word':
      return bytesWhere(element.negate ? /\W/ : /\w/);
    case 'property':
      return refuse('Unicode properties', element.raw);
    default:
      return assertNever(element);
  }
}

function bytesOf(codes: readonly number[]): ByteSet {
  const bytes = new Uint8Array(256);
  for (const code of codes) if (code < 256) bytes[code] = 1;
  return bytes;
}

function bytesWhere(pattern: RegExp): ByteSet {
  return Uint8Array.from({ length: 256 }, (_, byte) =>
    Number(pattern.test(String.fromCharCode(byte))),
  );
}

function complement(bytes: ByteSet): ByteSet {
  return bytes.map((flag) => 1 - flag);
}

function refuse(construct: string, raw: string): never {
  throw new RegexRefusal(`${construct} (${raw}) cannot be compiled to a table: write it without`);
}
