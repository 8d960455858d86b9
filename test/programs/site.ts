// Certificates in files and a running proxy, for the tests with real clients of TLS.
import { X509Certificate } from 'node:crypto';
import { freePort } from '../../src/bench/ports.ts';
import { ocspResponse } from '../support/ocsp.ts';
import {
  type Authority,
  createAuthority,
  type Issued,
  type IssueOptions,
  temporaryFolder,
  writePair,
  writeText,
} from '../support/pki.ts';
import type { Scope } from '../support/scope.ts';
import { type Application, type Engine, runSluice, startApplication } from './sluice.ts';

export interface Pair {
  readonly cert: string;
  readonly key: string;
  readonly issued: Issued;
}

/** One authority for sites and one for clients, and where all of it lies. */
export interface Papers {
  readonly folder: string;
  readonly ca: string;
  readonly clientsCa: string;
  readonly crl: string;
  readonly authority: Authority;
  site(name: string, options: IssueOptions): Promise<Pair>;
  readonly good: Pair;
  readonly revoked: Pair;
}

export async function makePapers(scope: Scope): Promise<Papers> {
  const folder = await temporaryFolder(scope);
  const authority = await createAuthority({ commonName: 'Sites' });
  const clients = await createAuthority({ commonName: 'Clients' });
  const pairOf = async (from: Authority, name: string, options: IssueOptions): Promise<Pair> => {
    const issued = await from.issue(options);
    return { ...(await writePair(folder, issued, name)), issued };
  };
  const good = await pairOf(clients, 'good', { commonName: 'good', usage: 'client' });
  const revoked = await pairOf(clients, 'revoked', { commonName: 'revoked', usage: 'client' });
  return {
    folder,
    authority,
    ca: await writeText(folder, 'ca.pem', authority.certPem),
    clientsCa: await writeText(folder, 'clients-ca.pem', clients.certPem),
    crl: await writeText(folder, 'clients.crl', await clients.crl([revoked.issued])),
    site: (name, options) => pairOf(authority, name, options),
    good,
    revoked,
  };
}

export const pair = ({ cert, key }: Pair) => ({ cert, key });

/** The digest by which Chromium can be told to believe a key. */
export function keyDigest({ issued }: Pair): Uint8Array {
  const { publicKey } = new X509Certificate(issued.certPem);
  return publicKey.export({ type: 'spki', format: 'der' });
}

export interface Site {
  readonly papers: Papers;
  readonly application: Application;
  readonly ec: Pair;
  /** https: site.test and localhost with an EC and an RSA certificate, other.test. */
  readonly web: number;
  /** https, names that no certificate is for are refused; short handshakes. */
  readonly strict: number;
  /** https, client certificates are required. */
  readonly mutual: number;
  /** http, redirects to `web`. */
  readonly plain: number;
}

export async function startSite(scope: Scope, engine: Engine): Promise<Site> {
  const papers = await makePapers(scope);
  const names = { names: ['site.test', 'localhost'], ips: ['127.0.0.1'] };
  const ec = await papers.site('ec', names);
  const rsa = await papers.site('rsa', { ...names, keyType: 'rsa' });
  const other = await papers.site('other', { names: ['other.test'] });
  const status = await ocspResponse(papers.authority, ec.issued);
  const ocsp = await writeText(papers.folder, 'ec.ocsp', status);
  const application = await startApplication(scope);
  const web = await freePort();
  const own = { certificates: [{ ...pair(ec), ocsp }] };
  const https = (tls: object, rest: object = {}) => ({
    address: '127.0.0.1:0',
    protocol: 'https',
    tls,
    pool: 'application',
    ...rest,
  });
  const sluice = await runSluice(scope, papers.folder, engine, {
    listeners: {
      web: {
        ...https({ certificates: [...own.certificates, pair(rsa), pair(other)] }, { hsts: true }),
        address: `127.0.0.1:${web}`,
      },
      strict: https({ ...own, unknownName: 'reject' }, { timeouts: { handshake: '1s' } }),
      mutual: https({
        ...own,
        clientCertificates: {
          ca: papers.clientsCa,
          crl: papers.crl,
          headers: { subject: 'X-Client' },
        },
      }),
      plain: { address: '127.0.0.1:0', protocol: 'http', redirectToHttps: web },
    },
    pools: { application: { targets: [application.address] } },
  });
  const [strict, mutual, plain] = await Promise.all(
    ['strict', 'mutual', 'plain'].map((name) => sluice.portOf(name)),
  );
  return {
    papers,
    application,
    ec,
    web,
    strict: strict ?? 0,
    mutual: mutual ?? 0,
    plain: plain ?? 0,
  };
}
