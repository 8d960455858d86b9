// Answers that a route gives by itself, as far as both programs see them alike.
import type { NamedField } from './exported.ts';
import type { Route } from './facts.ts';

export const PLAIN_TEXT = 'text/plain; charset=utf-8';

/** The fields of an answer made here, with the route's edits done to them. */
export function editAnswer(
  fields: readonly NamedField[],
  { responseHeaders }: Route,
): NamedField[] {
  return responseHeaders.reduce<NamedField[]>(
    (done, { op, name, value }) => [
      ...done.filter((field) => op === 'add' || !isSame(field.name, name)),
      ...(op === 'remove' ? [] : [{ name, value }]),
    ],
    [...fields],
  );
}

export function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
