// Hosts: the form in which they are compared, and the patterns and literals that people write.
import { isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { type Parsed, parsed, refused } from './parsed.ts';

/** A request's authority as routes compare it: lower-case, without port and trailing dot; IPv6 keeps its brackets. */
export function normalizeHost(authority: string): string {
  const lower = authority.toLowerCase();
  if (lower.startsWith('[')) {
    const end = lower.indexOf(']');
    return end < 0 ? lower : lower.slice(0, end + 1);
  }
  const colon = lower.indexOf(':');
  const host = colon < 0 ? lower : lower.slice(0, colon);
  return host.endsWith('.') ? host.slice(0, -1) : host;
}

export type HostPattern = { readonly kind: 'exact' | 'suffix'; readonly value: string };

const LABEL = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
const NAME = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`);

/** A host name as DNS and RFC 9110 carry it. Shapes such as `127.1` that some resolvers take for IPv4 are not names. */
export function isHostName(text: string): boolean {
  return NAME.test(text) && !/(?:^|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)$/.test(text);
}

export function isHost(text: string): boolean {
  if (text.startsWith('[') && text.endsWith(']'))
    return isIPv6(text.slice(1, -1)) && !text.includes('%');
  return isIPv4(text) || isHostName(text);
}

/** RFC 5952 text of an IPv6 literal given without brackets. */
export function canonicalIpv6(text: string): string {
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

/** Reads `match.host`: `example.com` or `*.example.com`. */
export function parseHostPattern(text: string): Parsed<HostPattern> {
  const expected = 'a host such as example.com or *.example.com';
  if (text === '*') return refused(expected, 'leave host out to match every host');
  const isSuffix = text.startsWith('*.');
  const host = isSuffix ? text.slice(2) : text;
  if (host.includes('*'))
    return refused(expected, 'a * may only stand for the first labels: *.example.com');
  const normal = normalizeHost(host);
  if (normal !== host.toLowerCase() && isHost(normal)) {
    return refused(
      expected,
      `ports and a trailing dot are not compared: write ${isSuffix ? '*.' : ''}${normal}`,
    );
  }
  const isFine = isSuffix ? isHostName(normal) : isHost(normal);
  if (!isFine) return refused(expected, suggestAsciiHost(host, isSuffix ? '*.' : ''));
  if (isSuffix) return parsed({ kind: 'suffix', value: `.${normal}` });
  return parsed({
    kind: 'exact',
    value: normal.startsWith('[') ? `[${canonicalIpv6(normal.slice(1, -1))}]` : normal,
  });
}

/** Reads a literal authority, `example.com` or `example.com:8080`. */
export function parseAuthority(text: string): Parsed<string> {
  const expected = 'client, target, or a host such as example.com or example.com:8080';
  const match = /^(\[[^\]]*\]|[^:]*)(?::([0-9]{1,5}))?$/.exec(text);
  const host = match?.[1] ?? '';
  const port = Number(match?.[2] ?? 80);
  if (match === null || !isHost(host) || port < 1 || port > 65535) {
    return refused(expected, suggestAsciiHost(host, ''));
  }
  return parsed(text);
}

function suggestAsciiHost(host: string, prefix: string): string | undefined {
  const ascii = domainToASCII(host);
  return ascii !== '' && ascii !== host.toLowerCase() && isHostName(ascii)
    ? `write the name as DNS carries it: ${prefix}${ascii}`
    : undefined;
}
