// What a reader of one written value answers: the value, or the sentence that says what would have been right.

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly expected: string; readonly hint?: string };

export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function refused(expected: string, hint?: string): Parsed<never> {
  return hint === undefined ? { ok: false, expected } : { ok: false, expected, hint };
}
