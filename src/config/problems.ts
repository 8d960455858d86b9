// Problems: how they are worded, and how zod's issues become them.
import type { z } from 'zod';
import { type Problem, SluiceError } from '../contract/errors.ts';
import { closest } from './closest.ts';
import { isSensitiveHeader } from './headers.ts';

/** A problem before its place is known. */
export type Finding = Omit<Problem, 'path'>;
export type Path = readonly (string | number)[];
export interface Located extends Finding {
  readonly at: Path;
}

const SHOWN = 60;

/** A value as a problem shows it: `"8080" (text)`. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'an empty value (null)';
  if (Array.isArray(value))
    return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  switch (typeof value) {
    case 'string':
      // It may be a private key that was put where its file should be named.
      if (value.includes('-----BEGIN')) return 'PEM text, which is not shown here';
      return `${JSON.stringify(shorten(maskUserInfo(value)))} (text)`;
    case 'number':
    case 'bigint':
      return `${value} (number)`;
    case 'boolean':
      return `${value} (boolean)`;
    case 'object':
      return Object.keys(value).length === 0
        ? 'an empty map'
        : `a map of ${shorten(Object.keys(value).join(', '))}`;
    default:
      return `a ${typeof value}`;
  }
}

function maskUserInfo(text: string): string {
  return text.replace(/:\/\/[^@/]*@/, '://***@');
}

function shorten(text: string): string {
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`;
}

/** `listeners.web.routes[2].pool`, with quotes around keys that need them. */
export function formatPath(path: Path): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else if (/^[A-Za-z0-9_-]+$/.test(key)) text += text === '' ? key : `.${key}`;
    else text += `[${JSON.stringify(key)}]`;
  }
  return text === '' ? '(top level)' : text;
}

/** One problem as a sentence. */
export function formatProblem(problem: Problem): string {
  const hint = problem.hint === undefined ? '' : ` (${problem.hint})`;
  return `${problem.path}: expected ${problem.expected} but found ${problem.received}${hint}`;
}

export function configError(subject: string, problems: readonly Problem[]): SluiceError {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  const lines = problems.map((problem) => `  ${formatProblem(problem)}`);
  return new SluiceError('config_invalid', `${subject} has ${count}:\n${lines.join('\n')}`, {
    problems,
  });
}

/** What zod passes to an error map. */
export interface RawIssue {
  readonly code?: string;
  readonly input?: unknown;
  readonly expected?: unknown;
  readonly keys?: readonly string[];
  readonly inst?: unknown;
}

/**
 * zod lets an error map answer with text only, so findings travel through it as JSON. Every schema words its
 * own; this map words what is left.
 */
export function zodErrorMap(issue: RawIssue): string {
  if (issue.code === 'unrecognized_keys') {
    return encodeFindings((issue.keys ?? []).map((key) => unknownKey(key, knownKeys(issue.inst))));
  }
  return encodeFindings([
    {
      expected: TYPE_SENTENCES[String(issue.expected)] ?? 'another value',
      received: show(issue.input),
    },
  ]);
}

const TYPE_SENTENCES: Readonly<Record<string, string>> = {
  object: 'a map of keys and values',
  record: 'a map of names and values',
  array: 'a list',
  string: 'text',
  boolean: 'true or false',
};

function knownKeys(schema: unknown): readonly string[] {
  const shape = (
    schema as { readonly _zod?: { readonly def?: { readonly shape?: object } } } | undefined
  )?._zod?.def?.shape;
  return shape === undefined ? [] : Object.keys(shape);
}

function unknownKey(key: string, known: readonly string[]): Finding {
  const near = closest(key, known);
  return {
    expected: `one of the keys ${known.join(', ')}`,
    received: `the unknown key ${JSON.stringify(key)}`,
    ...(near === null ? {} : { hint: `did you mean ${near}?` }),
  };
}

export function encodeFindings(findings: readonly Finding[]): string {
  return JSON.stringify(findings);
}

/** The findings of a zod error, in the order of zod's issues. */
export function findingsOf(error: z.ZodError): Located[] {
  return error.issues.flatMap((issue) => readIssue(issue as ZodIssue, []));
}

interface ZodIssue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
  /** invalid_union: what each option said; invalid_key: what the key's schema said. */
  readonly errors?: readonly (readonly ZodIssue[])[];
  readonly issues?: readonly ZodIssue[];
}

function readIssue(issue: ZodIssue, prefix: Path): Located[] {
  const path = [
    ...prefix,
    ...issue.path.map((key) => (typeof key === 'number' ? key : String(key))),
  ];
  if (issue.code === 'invalid_key')
    return (issue.issues ?? []).flatMap((inner) => readIssue(inner, path));
  if (issue.code === 'invalid_union') {
    // The option that this value was meant for knows best what is wrong within it.
    const options = (issue.errors ?? []).filter((option) => option.some(isWithin));
    const isForeign = (inner: ZodIssue) =>
      inner.code === 'unrecognized_keys' && inner.path.length === 0;
    const deeper = options.find((option) => !option.some(isForeign)) ?? options[0];
    if (deeper !== undefined) return deeper.flatMap((inner) => readIssue(inner, path));
  }
  const findings = JSON.parse(issue.message) as Finding[];
  const received = isSecret(path) ? { received: 'a value that is not shown here' } : {};
  return findings.map((finding, i) => {
    const key = issue.code === 'unrecognized_keys' ? issue.keys?.[i] : undefined;
    return { at: key === undefined ? path : [...path, key], ...finding, ...received };
  });
}

function isSecret(path: Path): boolean {
  return path.some((key, i) => {
    const isHeader = ['set', 'add', 'headers'].includes(String(path[i - 1]));
    return typeof key === 'string' && isHeader && isSensitiveHeader(key);
  });
}

/** Whether the value had the right shape for the schema that complains. */
function isWithin(issue: ZodIssue): boolean {
  return issue.path.length > 0 || issue.code === 'custom' || issue.code === 'unrecognized_keys';
}
