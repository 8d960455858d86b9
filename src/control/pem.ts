// PEM (RFC 7468): blocks between BEGIN and END lines; whatever stands around them is for people.

export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY`, `X509 CRL`, … */
  readonly label: string;
  /** From BEGIN to END, with a line end behind it. */
  readonly text: string;
  readonly bytes: Uint8Array;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n([\s\S]*?)-----END \1-----/g;

export function readPem(text: string): readonly PemBlock[] {
  return [...text.matchAll(BLOCK)].map(([whole, label = '', body = '']) => ({
    label,
    text: `${whole}\n`,
    // Old formats carry headers such as `Proc-Type: 4,ENCRYPTED` before an empty line.
    bytes: Buffer.from(body.replace(/^[\s\S]*?:[\s\S]*?\r?\n\r?\n/, ''), 'base64'),
  }));
}

export function isCertificate({ label }: PemBlock): boolean {
  return label === 'CERTIFICATE' || label === 'X509 CERTIFICATE';
}
