// The kinds of values that the schema is made of. Each knows how to read what a person wrote, what to say when
// it cannot, and what an editor shows (`title` names the kind in the documentation).
import { z } from 'zod';
import {
  type Address,
  type AddressContext,
  parseListenAddress,
  parseTargetAddress,
} from './address.ts';
import { closest } from './closest.ts';
import type { Parsed } from './parsed.ts';
import { encodeFindings, show } from './problems.ts';
import { hintForDuration, parseDuration, parseSize } from './units.ts';

interface Meta {
  readonly title?: string;
  readonly pattern?: string;
  readonly examples?: readonly unknown[];
}

type Hint = (input: unknown) => string | undefined;

/** An error map that says one sentence. */
export function says(
  expected: string,
  hint?: Hint,
): { readonly error: (issue: { readonly input?: unknown }) => string } {
  return { error: (issue) => finding(expected, issue.input, hint?.(issue.input)) };
}

function finding(expected: string, input: unknown, hint: string | undefined): string {
  const base = { expected, received: show(input) };
  return encodeFindings([hint === undefined ? base : { ...base, hint }]);
}

/** Text that `read` understands; the output is what it read. */
export function written<T>(
  expected: string,
  meta: Meta,
  read: (text: string) => Parsed<T>,
  hintForOther?: Hint,
) {
  return z
    .string(says(expected, hintForOther))
    .meta({ ...meta })
    .transform((text, context): T => {
      const result = read(text);
      if (result.ok) return result.value;
      context.addIssue({
        code: 'custom',
        message: finding(result.expected, text, result.hint),
        input: text,
      });
      return z.NEVER;
    });
}

export function plainText(expected: string, meta: Meta = {}) {
  return z
    .string(says(expected, (input) => (typeof input === 'number' ? 'put it in quotes' : undefined)))
    .meta({ ...meta });
}

/** `maxDays`: more than the default only where no timer is set for it. */
export function duration(minMs = 1, maxDays = 24) {
  const expected = minMs > 0 ? 'a duration such as 30s or 500ms' : 'a duration such as 30s, or 0s';
  const meta = { title: 'duration', pattern: '^[0-9]+(\\.[0-9]+)? ?(ms|s|m|h|d)$' };
  return written(
    expected,
    meta,
    (text) => parseDuration(text, minMs, maxDays * 86_400_000),
    (input) => (typeof input === 'number' ? hintForDuration(input) : undefined),
  );
}

export function size(min: number, max: number) {
  const pattern = '^[0-9]+(\\.[0-9]+)? ?([kKmMgGtT][iI]?)?[bB]?$';
  const said = says('a size such as 64KiB, or a number of bytes');
  return z
    .union([z.string().meta({ pattern }), z.int(said).min(0, said)], said)
    .meta({ title: 'size' })
    .transform((value, context): number => {
      const result = parseSize(value, min, max);
      if (result.ok) return result.value;
      context.addIssue({
        code: 'custom',
        message: finding(result.expected, value, result.hint),
        input: value,
      });
      return z.NEVER;
    });
}

export function integer(min: number, max: number, instead = '') {
  const said = says(`${instead}a whole number from ${group(min)} to ${group(max)}`);
  return z.int(said).min(min, said).max(max, said);
}

function group(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** One word of a fixed set. `hints` answers words that people may expect to work. */
export function choice<const T extends readonly [string, ...string[]]>(
  words: T,
  hints: Readonly<Record<string, string>> = {},
) {
  const expected = words.length === 2 ? words.join(' or ') : `one of ${words.join(', ')}`;
  return z.enum(
    words,
    says(expected, (input) => hintForWord(input, words, hints)),
  );
}

export function hintForWord(
  input: unknown,
  words: readonly string[],
  hints: Readonly<Record<string, string>> = {},
): string | undefined {
  if (typeof input !== 'string') return undefined;
  if (Object.hasOwn(hints, input)) return hints[input];
  const near = closest(input, words);
  return near === null ? undefined : `did you mean ${near}?`;
}

export function listenAddress(context: AddressContext) {
  return addressField(
    'an address to listen on',
    context,
    parseListenAddress,
    (port) => `for every interface write ":${port}"`,
  );
}

export function targetAddress(context: AddressContext) {
  return addressField(
    "a target's address",
    context,
    parseTargetAddress,
    (port) => `say on which host: "127.0.0.1:${port}"`,
  );
}

function addressField(
  expected: string,
  context: AddressContext,
  read: (text: string, context: AddressContext) => Parsed<Address>,
  hint: (port: number) => string,
) {
  const meta = { title: 'address' };
  return written(
    `${expected} such as 127.0.0.1:8080`,
    meta,
    (text) => read(text, context),
    (input) => (typeof input === 'number' ? hint(input) : undefined),
  );
}
