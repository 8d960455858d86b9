// Durations and sizes as people write them.
import { type Parsed, parsed, refused } from './parsed.ts';

const MS_PER: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
/** What a 32-bit millisecond timer can hold, rounded down to days. */
export const MAX_DURATION_MS = 24 * 86_400_000;

const BYTES_PER: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  tb: 1000 ** 4,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

/** Milliseconds in `500ms`, `1.5s`, `2m`, `1h`, `1d`. */
export function parseDuration(text: string, minMs = 1, maxMs = MAX_DURATION_MS): Parsed<number> {
  const expected = minMs > 0 ? 'a duration such as 30s or 500ms' : 'a duration such as 30s, or 0s';
  const match = /^([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h|d)$/.exec(text);
  if (match === null) return refused(expected, hintForDuration(text));
  const [, amount = '', unit = ''] = match;
  const ms = Number(amount) * (MS_PER[unit] ?? 0);
  const rounded = Math.round(ms);
  if (Math.abs(ms - rounded) > 1e-6)
    return refused(expected, 'whole milliseconds are the finest step');
  if (rounded < minMs) return refused(expected, `the least is ${minMs}ms`);
  if (rounded > maxMs) return refused(expected, `the most is ${maxMs / 86_400_000}d`);
  return parsed(rounded);
}

/** What to say of text or a number that is no duration. */
export function hintForDuration(written: unknown): string | undefined {
  const text = String(written).trim();
  if (/^[0-9]+(\.[0-9]+)?$/.test(text)) return `add a unit: ${text}s or ${text}ms`;
  const unit = /^([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)$/.exec(text);
  if (unit === null) return 'units are ms, s, m, h and d';
  const [, amount = '', word = ''] = unit;
  const short = /^(?:mi|min|mins|minutes?)$/i.test(word)
    ? 'm'
    : /^(?:msecs?|millis|milliseconds?)$/i.test(word)
      ? 'ms'
      : word.charAt(0).toLowerCase();
  return Object.hasOwn(MS_PER, short) ? `write ${amount}${short}` : 'units are ms, s, m, h and d';
}

/** Bytes in `64KiB`, `1MB`, `512` or a plain number. */
export function parseSize(written: string | number, min: number, max: number): Parsed<number> {
  const expected =
    max >= Number.MAX_SAFE_INTEGER
      ? 'a size such as 10MB or 64KiB'
      : `a size from ${formatSize(min)} to ${formatSize(max)}, such as 64KiB`;
  const match = /^([0-9]+(?:\.[0-9]+)?) ?([a-z]*)$/i.exec(String(written));
  const unit = (match?.[2] ?? '').toLowerCase() || 'b';
  if (match === null || !Object.hasOwn(BYTES_PER, unit)) {
    return refused(
      expected,
      'units are KiB, MiB, GiB (1024) and kB, MB, GB (1000); a plain number is bytes',
    );
  }
  const bytes = Number(match[1]) * (BYTES_PER[unit] ?? 0);
  if (!Number.isSafeInteger(bytes)) return refused(expected, 'this is not a whole number of bytes');
  return bytes < min || bytes > max ? refused(expected) : parsed(bytes);
}

function formatSize(bytes: number): string {
  if (bytes >= 1024 ** 2 && bytes % 1024 ** 2 === 0) return `${bytes / 1024 ** 2}MiB`;
  return bytes >= 1024 && bytes % 1024 === 0 ? `${bytes / 1024}KiB` : `${bytes}`;
}
