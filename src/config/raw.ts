// A configuration as it was written, before anything about it is known.
import type { Finding, Path } from './problems.ts';

export type Written = Readonly<Record<string, unknown>>;
export type Report = (at: Path, finding: Finding) => void;
export type CheckPool = (at: Path, written: unknown) => void;

/** The map, or an empty one in place of anything else. */
export function asMap(value: unknown): Written {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Written)
    : {};
}

/** The list, or an empty one in place of anything else. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
