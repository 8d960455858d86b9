// A pathRegex compiled to a table (see Dfa in src/plan/plan.ts): subset construction over bytes, so that every
// engine matches alike and in time linear in the path. The meaning is RegExp.prototype.test on the path: found
// anywhere unless ^ or $ say otherwise. Pure; runs at load time.
import { type Parsed, parsed, refused } from './parsed.ts';
import { type ByteSet, buildNfa, type Nfa, RegexRefusal } from './regex-nfa.ts';

export interface RegexTable {
  readonly classCount: number;
  readonly classes: Uint8Array;
  readonly next: Uint16Array;
  readonly accepting: Uint8Array;
}

export const MAX_TABLE_STATES = 4096;
/** Steps of the construction: bounds the time that a hostile pattern can cost at load. */
const MAX_STEPS = 4_000_000;

const DEAD = 0;
const START = 1;

export function compileRegex(source: string): Parsed<RegexTable> {
  try {
    return parsed(buildTable(buildNfa(source)));
  } catch (error) {
    if (!(error instanceof RegexRefusal)) throw error;
    return refused('a regular expression such as ^/v[0-9]+/', error.hint);
  }
}

/** Whether the table's expression is found in `text`, one byte a character. */
export function tableMatches(table: RegexTable, text: string): boolean {
  const { classCount, classes, next } = table;
  let state = START;
  for (let i = 0; i < text.length; i++) {
    state = next[state * classCount + (classes[text.charCodeAt(i) & 255] ?? 0)] ?? DEAD;
    if (state === DEAD) return false;
  }
  return table.accepting[state] === 1;
}

function buildTable(nfa: Nfa): RegexTable {
  const { classes, samples } = classify(nfa);
  const walk = new Walk(nfa);
  /** Position is the state's number; null is the state that has matched whatever follows. */
  const sets: (readonly number[] | null)[] = [[], walk.closure([nfa.start], true)];
  const numbers = new Map<string, number>([['', DEAD]]);
  const next: number[] = new Array<number>(samples.length).fill(DEAD);
  const accepting: number[] = [0];

  for (let number = START; number < sets.length; number++) {
    const set = sets[number] ?? null;
    accepting.push(set === null || walk.matchesAtEnd(set, number === START) ? 1 : 0);
    for (const byte of samples) {
      // A match may begin at every byte, hence the start among the successors.
      const successor =
        set === null ? null : walk.closure([...walk.step(set, byte), nfa.start], false);
      const key = successor === null ? 'matched' : successor.join();
      let target = numbers.get(key);
      if (target === undefined) {
        target = sets.push(successor) - 1;
        if (target >= MAX_TABLE_STATES)
          throw new RegexRefusal(`it needs more than ${MAX_TABLE_STATES} states: simplify it`);
        numbers.set(key, target);
      }
      next.push(target);
    }
  }
  return {
    classCount: samples.length,
    classes,
    next: Uint16Array.from(next),
    accepting: Uint8Array.from(accepting),
  };
}

/** Bytes that no state of the automaton tells apart share a class; `samples` has one byte of each. */
function classify(nfa: Nfa): { readonly classes: Uint8Array; readonly samples: readonly number[] } {
  const distinct = new Map<string, ByteSet>();
  for (const state of nfa.states)
    if (state.kind === 'bytes') distinct.set(state.bytes.join(''), state.bytes);
  const sets = [...distinct.values()];
  const seen = new Map<string, number>();
  const samples: number[] = [];
  const classes = Uint8Array.from({ length: 256 }, (_, byte) => {
    const signature = sets.map((set) => set[byte]).join('');
    const known = seen.get(signature);
    if (known !== undefined) return known;
    seen.set(signature, samples.length);
    return samples.push(byte) - 1;
  });
  return { classes, samples };
}

/** Walks the automaton without recursion and counts what it costs. */
class Walk {
  readonly #nfa: Nfa;
  #steps = 0;

  constructor(nfa: Nfa) {
    this.#nfa = nfa;
  }

  /** The states that wait for a byte or for the end, sorted, or null once a match is complete. */
  closure(from: readonly number[], isAtStart: boolean): readonly number[] | null {
    const waiting: number[] = [];
    for (const index of this.#reach(from, isAtStart, false)) {
      const kind = this.#nfa.states[index]?.kind;
      if (kind === 'match') return null;
      if (kind === 'bytes' || kind === 'at-end') waiting.push(index);
    }
    return waiting.sort((a, b) => a - b);
  }

  step(set: readonly number[], byte: number): number[] {
    this.#spend(set.length);
    const reached: number[] = [];
    for (const index of set) {
      const state = this.#nfa.states[index];
      if (state?.kind === 'bytes' && state.bytes[byte] === 1) reached.push(state.next);
    }
    return reached;
  }

  matchesAtEnd(set: readonly number[], isAtStart: boolean): boolean {
    for (const index of this.#reach(set, isAtStart, true)) {
      if (this.#nfa.states[index]?.kind === 'match') return true;
    }
    return false;
  }

  #reach(from: readonly number[], isAtStart: boolean, isAtEnd: boolean): ReadonlySet<number> {
    const reached = new Set(from);
    for (const index of reached) {
      this.#spend(1);
      const state = this.#nfa.states[index];
      if (state?.kind === 'fork') {
        this.#spend(state.next.length);
        for (const next of state.next) reached.add(next);
      } else if (
        (state?.kind === 'at-start' && isAtStart) ||
        (state?.kind === 'at-end' && isAtEnd)
      ) {
        reached.add(state.next);
      }
    }
    return reached;
  }

  #spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > MAX_STEPS)
      throw new RegexRefusal('it takes too long to compile: simplify it');
  }
}
