// From anything to a Config, or to every problem that it has.
import type { Problem } from '../contract/errors.ts';
import { type Config, deepFreeze } from './config.ts';
import {
  configError,
  findingsOf,
  formatPath,
  type Located,
  type Path,
  zodErrorMap,
} from './problems.ts';
import { checkReferences } from './references.ts';
import { configSchema } from './schema.ts';

export interface ParseOptions {
  /** Relative file names are relative to this folder. */
  readonly baseFolder?: string;
  /** What the error's message says has problems. */
  readonly subject?: string;
}

/** Throws SluiceError `config_invalid` with all problems. */
export function parseConfig(input: unknown, options: ParseOptions = {}): Config {
  const context = { baseFolder: options.baseFolder ?? process.cwd() };
  const result = configSchema(context).safeParse(input, { error: zodErrorMap });
  const findings = onePerPlace([
    ...(result.success ? [] : findingsOf(result.error)),
    ...checkReferences(input, context),
  ]);
  if (result.success && findings.length === 0) return deepFreeze(result.data);
  throw configError(options.subject ?? 'The configuration', inDocumentOrder(findings, input));
}

/** Where the schema and the checks across keys both object to one value, the schema's word is enough. */
function onePerPlace(findings: readonly Located[]): Located[] {
  const places = new Map<string, Located>();
  for (const finding of findings) {
    const place = formatPath(finding.at);
    if (!places.has(place)) places.set(place, finding);
  }
  return [...places.values()];
}

/** Readers fix a file from top to bottom: problems come in the order in which the keys were written. */
function inDocumentOrder(findings: readonly Located[], input: unknown): Problem[] {
  const places = new Map<string, number>();
  const seen = new Set<object>();
  const number = (value: unknown, path: Path): void => {
    places.set(formatPath(path), places.size);
    if (typeof value !== 'object' || value === null || seen.has(value) || path.length > 12) return;
    seen.add(value);
    for (const [key, inner] of Object.entries(value)) {
      number(inner, [...path, Array.isArray(value) ? Number(key) : key]);
    }
  };
  number(input, []);
  const placeOf = (path: Path): number =>
    places.get(formatPath(path)) ?? (path.length === 0 ? 0 : placeOf(path.slice(0, -1)));
  return findings
    .map(({ at, ...finding }) => ({
      place: placeOf(at),
      problem: { path: formatPath(at), ...finding },
    }))
    .sort((a, b) => a.place - b.place)
    .map(({ problem }) => problem);
}
