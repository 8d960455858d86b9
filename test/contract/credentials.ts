// Certificates for cases: one authority a process, and pairs of files that go with the case.
import {
  type Authority,
  createAuthority,
  type Issued,
  type IssueOptions,
  writePair,
  writeText,
} from '../support/pki.ts';
import type { CaseContext } from './case.ts';

let authority: Promise<Authority> | undefined;

/** What vouches for everything that is to be trusted. */
export function rootAuthority(): Promise<Authority> {
  authority ??= createAuthority({ commonName: 'Contract Root' });
  return authority;
}

/** As `certificates` of a listener takes it, and what is in it. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface Site {
  readonly pair: Pair;
  readonly issued: Issued;
}

export async function makeSite(test: CaseContext, options: IssueOptions = {}): Promise<Site> {
  const issued = await (await rootAuthority()).issue(options);
  return { pair: await writePair(await test.folder(), issued), issued };
}

/** Several certificates at once, as the `certificates` of a listener. */
export async function makePairs(test: CaseContext, ...sites: IssueOptions[]): Promise<Site[]> {
  return Promise.all(sites.map((options) => makeSite(test, options)));
}

/** A file with the root, as `ca` takes it. */
export async function rootFile(test: CaseContext): Promise<string> {
  return writeText(await test.folder(), 'ca.pem', (await rootAuthority()).certPem);
}

/** An https listener, `web`. */
export function httpsConfig(
  targets: readonly unknown[],
  tls: object,
  listener: object = {},
  pool: object = {},
): object {
  return {
    listeners: {
      web: { address: '127.0.0.1:0', protocol: 'https', pool: 'all', tls, ...listener },
    },
    pools: { all: { targets, ...pool } },
  };
}

/** A tcp listener that ends TLS, `db`. */
export function tlsTcpConfig(
  targets: readonly unknown[],
  tls: object,
  listener: object = {},
  pool: object = {},
): object {
  return {
    listeners: { db: { address: '127.0.0.1:0', protocol: 'tcp', pool: 'all', tls, ...listener } },
    pools: { all: { targets, ...pool } },
  };
}

/** A successful OCSP response (RFC 6960) that nobody signed: enough to be handed on. */
export function ocspResponse(serial: string): Buffer {
  const time = element(0x18, Buffer.from('20200101000000Z'));
  const algorithm = element(0x30, element(0x06, Buffer.from([0x2b, 14, 3, 2, 26])));
  const hash = element(0x04, Buffer.alloc(20));
  const number = element(
    0x02,
    Buffer.from(serial.padStart(serial.length + (serial.length % 2), '0'), 'hex'),
  );
  const id = element(0x30, algorithm, hash, hash, number);
  const answer = element(0x30, id, element(0x80), time);
  const data = element(0x30, element(0xa2, hash), time, element(0x30, answer));
  const basic = element(0x30, data, algorithm, element(0x03, Buffer.alloc(9)));
  const type = element(0x06, Buffer.from([0x2b, 6, 1, 5, 5, 7, 48, 1, 1]));
  const wrapped = element(0xa0, element(0x30, type, element(0x04, basic)));
  return element(0x30, element(0x0a, Buffer.from([0])), wrapped);
}

function element(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const size = content.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}
