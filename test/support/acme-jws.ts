// Requests to an ACME directory as RFC 8555, section 6 wants them: flattened JWS, verified, each nonce good for once.
import { createHash, createPublicKey, type JsonWebKey, randomBytes, verify } from 'node:crypto';

export class AcmeRefusal extends Error {
  readonly status: number;
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    type: string,
    detail: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.status = status;
    this.type = type;
    this.headers = headers;
  }
}

export const malformed = (detail: string) => new AcmeRefusal(400, 'malformed', detail);

/** As RFC 7807 has it. */
export const wordRefusal = ({ type, message, status }: AcmeRefusal) => ({
  type: `urn:ietf:params:acme:error:${type}`,
  detail: message,
  status,
});

export class Nonces {
  readonly #open = new Set<string>();

  make(): string {
    const nonce = randomBytes(16).toString('base64url');
    this.#open.add(nonce);
    return nonce;
  }

  spend(nonce: unknown): void {
    if (typeof nonce === 'string' && this.#open.delete(nonce)) return;
    throw new AcmeRefusal(400, 'badNonce', 'this nonce is not good, or not any more');
  }
}

export interface Signed {
  /** The key that signed it, when it is sent along: `newAccount` alone. */
  readonly jwk: JsonWebKey | null;
  /** The address of the account, for all else. */
  readonly kid: string | null;
  /** null for POST-as-GET. */
  readonly payload: Readonly<Record<string, unknown>> | null;
}

export interface SignedRequest {
  readonly url: string;
  readonly body: string;
  readonly nonces: Nonces;
  /** The key of an account by its address. */
  readonly keyOf: (kid: string) => JsonWebKey;
}

const ALGORITHMS = {
  ES256: { kty: 'EC', crv: 'P-256' },
  RS256: { kty: 'RSA', crv: undefined },
} as const;

export function readSigned({ url, body, nonces, keyOf }: SignedRequest): Signed {
  const { protected: head, payload, signature } = JSON.parse(body) as Record<string, string>;
  if (head === undefined || payload === undefined || signature === undefined) {
    throw malformed('not a flattened JWS');
  }
  const header = JSON.parse(fromBase64url(head).toString()) as Record<string, unknown>;
  const { alg, nonce, kid, jwk } = header as {
    alg: string;
    nonce: string;
    kid?: string;
    jwk?: JsonWebKey;
  };
  if (header.url !== url) throw new AcmeRefusal(403, 'unauthorized', `signed for ${header.url}`);
  if ((kid === undefined) === (jwk === undefined)) throw malformed('either kid or jwk, please');
  const key = jwk ?? keyOf(kid ?? '');
  const wanted = ALGORITHMS[alg as keyof typeof ALGORITHMS];
  if (wanted === undefined || wanted.kty !== key.kty || wanted.crv !== key.crv) {
    throw new AcmeRefusal(400, 'badSignatureAlgorithm', `${alg} with a key of ${key.kty}`);
  }
  const isGood = verify(
    'sha256',
    Buffer.from(`${head}.${payload}`),
    { key: createPublicKey({ key, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
    fromBase64url(signature),
  );
  if (!isGood) throw malformed('the signature does not hold');
  nonces.spend(nonce);
  const text = fromBase64url(payload).toString();
  return { jwk: jwk ?? null, kid: kid ?? null, payload: text === '' ? null : JSON.parse(text) };
}

function fromBase64url(text: string): Buffer {
  if (!/^[\w-]*$/.test(text)) throw malformed('not base64url without padding');
  return Buffer.from(text, 'base64url');
}

/** RFC 7638. */
export function thumbprint({ kty, crv, x, y, e, n }: JsonWebKey): string {
  const members = kty === 'EC' ? { crv, kty, x, y } : { e, kty, n };
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url');
}
