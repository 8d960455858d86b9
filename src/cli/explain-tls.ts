// Which certificate a client would be shown, and why.
import { isIP } from 'node:net';
import type { Config } from '../config/config.ts';
import { formatProblem } from '../config/problems.ts';
import { Secret } from '../contract/secret.ts';
import { readCredentials } from '../control/credentials.ts';
import {
  bundleKey,
  type Credentials,
  credentialsToLoad,
  type LoadedCertificate,
  NO_CREDENTIALS,
} from '../plan/credentials.ts';
import { normalizeHost } from '../plan/match.ts';
import type { Plan, PlanListener, PlanServerTls } from '../plan/plan.ts';

/** A file that cannot be read by whoever asks, or that is still to come, has a place in the explanation too. */
export async function credentialsOrStandIns(config: Config): Promise<Credentials> {
  const { certificates, bundles, report } = await readCredentials(config);
  for (const problem of report.problems) console.error(`note: ${formatProblem(problem)}`);
  const needed = credentialsToLoad(config);
  return {
    ...NO_CREDENTIALS,
    certificates: new Map(
      needed.certificates.map(({ key, certificate }) => {
        const name =
          'acme' in certificate ? `acme ${certificate.acme.join(' ')}` : certificate.cert;
        const hosts = 'acme' in certificate ? certificate.acme : [];
        return [key, certificates.get(key) ?? standIn(name, hosts)] as const;
      }),
    ),
    bundles: new Map(
      needed.bundles.map(({ kind, file }) => {
        const key = bundleKey(kind, file);
        return [key, bundles.get(key) ?? ''];
      }),
    ),
  };
}

function standIn(name: string, hosts: readonly string[]): LoadedCertificate {
  return {
    ...{ name, hosts, chain: '', key: new Secret(''), ocsp: new Uint8Array(0) },
    ...{ keyType: 'unknown', notBeforeMs: 0, notAfterMs: 0 },
  };
}

/** What a client that connects to an authority asks for: nothing where that is an address (RFC 6066, section 3). */
export function nameAskedFor(authority: string): string {
  const host = normalizeHost(authority);
  return host.startsWith('[') || isIP(host) !== 0 ? '' : host;
}

export interface ExplainedTls {
  /** None for a listener that does not end TLS. */
  readonly lines: readonly string[];
  /** The handshake ends here. */
  readonly isRefused: boolean;
}

export function explainTls(plan: Plan, listener: PlanListener, authority: string): ExplainedTls {
  const tls = listener.serverTls === null ? undefined : plan.serverTls[listener.serverTls];
  if (tls === undefined) return { lines: [], isRefused: false };
  const name = nameAskedFor(authority);
  const certificate = certificateFor(tls, name);
  if (certificate === null) {
    const why = `unrecognized_name, and the connection ends: no certificate is for ${name}`;
    return { lines: [why], isRefused: true };
  }
  const lines = [certificate];
  const { mode } = tls.clientCertificates;
  if (mode === 'require') lines.push('the client must show a certificate; routes see none here');
  if (mode === 'request') lines.push('the client may show a certificate; routes see none here');
  return { lines, isRefused: false };
}

/** null: a client that asks for this name is refused. */
function certificateFor(tls: PlanServerTls, name: string): string | null {
  const nameOf = (identity: number) =>
    (tls.identities[identity] ?? []).map((i) => tls.certificates[i]?.name ?? '').join(' and ');
  if (name === '') return `${nameOf(0)}: the first, since the client asks for no name`;
  const wildcard = name.replace(/^[^.]+/, '*');
  for (const wanted of [name, wildcard]) {
    const found = tls.names.find((one) => one.name === wanted);
    if (found !== undefined) return `${nameOf(found.identity)}: it is for ${wanted}`;
  }
  return tls.rejectsUnknownNames
    ? null
    : `${nameOf(0)}: the first, since no certificate is for ${name}`;
}
