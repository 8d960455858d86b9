// Reads ASN.1 in DER as far as dates and serial numbers of revocation lists and OCSP responses need it.

export interface Der {
  readonly tag: number;
  /** Tag, length and content. */
  readonly whole: Uint8Array;
  readonly content: Uint8Array;
}

export const DER_TAGS = {
  integer: 0x02,
  octets: 0x04,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;

/** The first element of some bytes; null when they hold none that is whole. */
export function readDer(bytes: Uint8Array): Der | null {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return null;
  let at = 2;
  let length = first;
  if (first & 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4 || bytes.length < at + count) return null;
    length = 0;
    for (const byte of bytes.subarray(at, at + count)) length = length * 256 + byte;
    at += count;
  }
  if (bytes.length < at + length) return null;
  return { tag, whole: bytes.subarray(0, at + length), content: bytes.subarray(at, at + length) };
}

/** The elements within one, up to the first that is broken. */
export function childrenOf(der: Der | null | undefined): readonly Der[] {
  const children: Der[] = [];
  let rest = der?.content ?? new Uint8Array(0);
  for (let child = readDer(rest); child !== null; child = readDer(rest)) {
    children.push(child);
    rest = rest.subarray(child.whole.length);
  }
  return children;
}

/** UTCTime and GeneralizedTime as RFC 5280 allows them: in seconds, with Z. null for anything else. */
export function timeOf(der: Der | undefined): number | null {
  if (der?.tag !== DER_TAGS.utcTime && der?.tag !== DER_TAGS.generalizedTime) return null;
  const text = Buffer.from(der.content).toString('latin1');
  const digits = der.tag === DER_TAGS.utcTime ? (text < '5' ? `20${text}` : `19${text}`) : text;
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second] = match;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? null : ms;
}

/** An INTEGER's digits as certificates print their serial numbers: upper-case hexadecimal without leading zeros. */
export function hexOf(der: Der | undefined): string {
  const digits = Buffer.from(der?.content ?? [])
    .toString('hex')
    .toUpperCase();
  return digits.replace(/^0+(?=.)/, '');
}

export interface RevocationList {
  /** The name of its CA, in DER. */
  readonly issuer: Uint8Array;
  /** null when it does not say. */
  readonly nextUpdateMs: number | null;
}

/** RFC 5280, section 5.1. null for what is none. */
export function readRevocationList(bytes: Uint8Array): RevocationList | null {
  const fields = childrenOf(childrenOf(readDer(bytes))[0]);
  const at = fields[0]?.tag === DER_TAGS.integer ? 1 : 0;
  const issuer = fields[at + 1];
  if (issuer?.tag !== DER_TAGS.sequence || timeOf(fields[at + 2]) === null) return null;
  return { issuer: issuer.whole, nextUpdateMs: timeOf(fields[at + 3]) };
}

/** A certificate's subject in DER (RFC 5280, section 4.1). */
export function subjectOf(certificate: Uint8Array): Uint8Array {
  const fields = childrenOf(childrenOf(readDer(certificate))[0]);
  return fields[(fields[0]?.tag === 0xa0 ? 1 : 0) + 4]?.whole ?? new Uint8Array(0);
}

export interface OcspResponse {
  /** Whether whoever was asked answered at all. */
  readonly isSuccessful: boolean;
  readonly answers: readonly { readonly serial: string; readonly nextUpdateMs: number | null }[];
}

/** RFC 6960, section 4.2.1. null for what is none. */
export function readOcspResponse(bytes: Uint8Array): OcspResponse | null {
  const [status, wrapped] = childrenOf(readDer(bytes));
  if (status?.tag !== DER_TAGS.enumerated) return null;
  if (status.content[0] !== 0) return { isSuccessful: false, answers: [] };
  const [, octets] = childrenOf(childrenOf(wrapped)[0]);
  if (octets?.tag !== DER_TAGS.octets) return null;
  const data = childrenOf(childrenOf(readDer(octets.content))[0]);
  const responses = data.find(({ tag }) => tag === DER_TAGS.sequence);
  if (responses === undefined) return null;
  return { isSuccessful: true, answers: childrenOf(responses).map(readAnswer) };
}

function readAnswer(answer: Der): OcspResponse['answers'][number] {
  const [id, , , next] = childrenOf(answer);
  const nextUpdate = next?.tag === 0xa0 ? childrenOf(next)[0] : undefined;
  return { serial: hexOf(childrenOf(id)[3]), nextUpdateMs: timeOf(nextUpdate) };
}
