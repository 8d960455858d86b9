// What clients of a forward proxy write as their destination, and the one form in which it is judged, resolved, logged
// and handed on. What has more than one reading is refused: nothing that a resolver might take for an address is a name.
// Pure; native/policy/destination does the same, and test/vectors/destination.txt binds both.

/** Lower-case, without trailing dot and brackets; IPv6 as RFC 5952 writes it, IPv4-mapped as IPv4. */
export type DestinationHost =
  | { readonly kind: 'name'; readonly host: string }
  | { readonly kind: 'address'; readonly family: 'ipv4' | 'ipv6'; readonly host: string };

export type Destination = DestinationHost & { readonly port: number };

/** WHATWG URL, "ends in a number": some resolver reads an IPv4 address in it. */
const ENDS_IN_NUMBER = /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/;
const BYTE = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const QUAD = new RegExp(`^${BYTE}(?:\\.${BYTE}){3}$`);
const MAX_NAME = 253;
const MAX_LABEL = 63;

/**
 * Reads `example.com:443`, `192.0.2.1:443` and `[2001:db8::1]:443`; null = malformed. `defaultPort` is for what names no
 * port; without one, a port must be there.
 */
export function parseDestination(
  authority: string,
  defaultPort: number | null,
): Destination | null {
  const match = /^(\[[^[\]]*\]|[^:[\]]*)(?::([0-9]*))?$/.exec(authority);
  if (match === null) return null;
  const [, written = '', digits = ''] = match;
  const port = digits === '' ? defaultPort : parsePort(digits);
  const host = written.startsWith('[') ? parseIpv6(written.slice(1, -1)) : parsePlainHost(written);
  return port === null || host === null ? null : { ...host, port };
}

/** Reads a host that stands by itself, as SOCKS gives it: without brackets. null = malformed. */
export function parseDestinationHost(text: string): DestinationHost | null {
  return text.includes(':') ? parseIpv6(text) : parsePlainHost(text);
}

function parsePort(digits: string): number | null {
  const port = Number(digits);
  return /^[1-9][0-9]{0,4}$/.test(digits) && port <= 65_535 ? port : null;
}

/** A name or an IPv4 address. */
function parsePlainHost(text: string): DestinationHost | null {
  const host = lowerCase(text.endsWith('.') ? text.slice(0, -1) : text);
  if (host === null) return null;
  if (!ENDS_IN_NUMBER.test(host)) return { kind: 'name', host };
  return QUAD.test(host) ? { kind: 'address', family: 'ipv4', host } : null;
}

/** null where it has not the shape of a name. By hand, because lists have millions of them. */
function lowerCase(text: string): string | null {
  const { length } = text;
  if (length === 0 || length > MAX_NAME) return null;
  let label = 0;
  let hasCapitals = false;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    const isLower = code >= 0x61 && code <= 0x7a;
    if (!isLower && !(code >= 0x30 && code <= 0x39) && code !== 0x2d && code !== 0x5f) {
      if (code === 0x2e) {
        if (label === 0) return null;
        label = 0;
        continue;
      }
      // ASCII alone is folded: toLowerCase() makes an ASCII letter of the Kelvin sign.
      if (code < 0x41 || code > 0x5a) return null;
      hasCapitals = true;
    }
    label++;
    if (label > MAX_LABEL) return null;
  }
  if (label === 0) return null;
  return hasCapitals ? text.toLowerCase() : text;
}

function parseIpv6(text: string): DestinationHost | null {
  const words = readWords(text);
  if (words === null) return null;
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  if (!isMapped) return { kind: 'address', family: 'ipv6', host: formatWords(words) };
  const host = words.slice(6).flatMap((word) => [word >> 8, word & 255]);
  return { kind: 'address', family: 'ipv4', host: host.join('.') };
}

/** The eight words of an IPv6 address (RFC 4291, section 2.2), or null. */
function readWords(text: string): readonly number[] | null {
  const [left = '', right, ...more] = text.split('::');
  if (more.length > 0) return null;
  const head = readGroups(left, right === undefined);
  const tail = readGroups(right ?? '', true);
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  // `::` stands for one group at least.
  if (right === undefined ? missing !== 0 : missing < 1) return null;
  return [...head, ...Array<number>(missing).fill(0), ...tail];
}

/** Groups between colons; the last may be an IPv4 address where they are the end of the text. */
function readGroups(text: string, isEnd: boolean): number[] | null {
  if (text === '') return [];
  const words: number[] = [];
  const groups = text.split(':');
  for (const [i, group] of groups.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(group)) {
      words.push(Number.parseInt(group, 16));
    } else if (isEnd && i === groups.length - 1 && QUAD.test(group)) {
      const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
      words.push((a << 8) | b, (c << 8) | d);
    } else {
      return null;
    }
  }
  return words;
}

/** RFC 5952: the longest run of zero words is left out, the first of equally long ones, if it is longer than one. */
function formatWords(words: readonly number[]): string {
  let start = 0;
  let length = 1;
  for (let i = 0; i < words.length; i++) {
    let end = i;
    while (words[end] === 0) end++;
    if (end - i > length) [start, length] = [i, end - i];
  }
  const hex = (part: readonly number[]): string => part.map((word) => word.toString(16)).join(':');
  if (length === 1) return hex(words);
  return `${hex(words.slice(0, start))}::${hex(words.slice(start + length))}`;
}
