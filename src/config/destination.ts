// What rules of a forward proxy are about, as people write it: destinations, ports, times of day.
import { isIP } from 'node:net';
import { type AddressRange, parseAddressRange } from './address.ts';
import { type HostPattern, parseHostPattern } from './host.ts';
import { type Parsed, parsed, refused } from './parsed.ts';

/** A host, everything below one, or a block of addresses. */
export type DestinationPattern =
  | { readonly kind: 'host'; readonly host: HostPattern }
  | { readonly kind: 'block'; readonly block: AddressRange };

export const DESTINATION = 'a host, *.host, an address or a block such as 10.0.0.0/8';

/** Reads `example.com`, `*.example.com`, `192.0.2.1`, `[2001:db8::1]` and `10.0.0.0/8`. */
export function parseDestination(text: string): Parsed<DestinationPattern> {
  const bare = text.replace(/^\[(.*)\]$/, '$1');
  if (text.includes('/') || isIP(bare) !== 0) {
    const block = parseAddressRange(bare);
    return block.ok
      ? parsed({ kind: 'block', block: block.value })
      : { ...block, expected: DESTINATION };
  }
  if (text === '*') return refused(DESTINATION, 'leave hosts out to match every destination');
  const host = parseHostPattern(text);
  return host.ok ? parsed({ kind: 'host', host: host.value }) : { ...host, expected: DESTINATION };
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export const PORTS = 'a port, or ports such as 8000-8099';

/** Reads `443` and `8000-8099`. */
export function parsePorts(text: string): Parsed<PortRange> {
  const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(text);
  const first = Number(match?.[1] ?? 0);
  const last = Number(match?.[2] ?? first);
  if (match === null || first < 1 || last > 65_535) {
    return refused(PORTS, 'ports go from 1 to 65535');
  }
  return first > last ? refused(PORTS, 'the lower one comes first') : parsed({ first, last });
}

export const CLOCK = 'a time of day such as 08:00';

/** Minutes since midnight; `24:00` is the end of the day. */
export function parseClock(text: string): Parsed<number> {
  const match = /^([0-9]{1,2}):([0-9]{2})$/.exec(text);
  const hours = Number(match?.[1] ?? 99);
  const minutes = Number(match?.[2] ?? 99);
  const at = hours * 60 + minutes;
  return match !== null && minutes < 60 && at <= 24 * 60 ? parsed(at) : refused(CLOCK);
}
