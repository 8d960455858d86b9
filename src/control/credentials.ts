// All credentials of a configuration, from their files: everything that is wrong is found at once.
import type { Config } from '../config/config.ts';
import {
  bundleKey,
  type Credentials,
  credentialsToLoad,
  type KeyPairConfig,
  type LoadedCertificate,
  type NeededBundle,
  type NeededCertificate,
  SYSTEM_CAS,
} from '../plan/credentials.ts';
import { loadCas, loadRevocationLists, loadSystemCas } from './bundle-file.ts';
import { loadCertificate, type ReadingOptions } from './certificate-file.ts';
import { credentialsError, FileReport, type FileWarning } from './file-report.ts';

export interface LoadOptions {
  /** Now, by default. */
  readonly nowMs?: number;
  /** Certificates that are out of date are problems: for `sluice check`. Otherwise they are warnings. */
  readonly isStrict?: boolean;
}

export interface FileCredentials {
  /** Those of files, by certificateKey(). */
  readonly certificates: ReadonlyMap<string, LoadedCertificate>;
  /** By bundleKey(). */
  readonly bundles: ReadonlyMap<string, string>;
  readonly report: FileReport;
}

/** Whatever can be used of the files; what cannot is left out, and why is in the report. Never throws for a file. */
export async function readCredentials(
  config: Config,
  { nowMs = Date.now(), isStrict = false }: LoadOptions = {},
): Promise<FileCredentials> {
  const options: ReadingOptions = { nowMs, isStrict };
  const needed = credentialsToLoad(config);
  const certificates = await Promise.all(
    needed.certificates.filter(isOfFiles).map(async (one) => {
      const report = new FileReport();
      return { key: one.key, loaded: await loadCertificate(one, options, report), report };
    }),
  );
  const cas = await Promise.all(
    needed.bundles.filter(({ kind }) => kind === 'ca').map((one) => loadBundle(one, '', options)),
  );
  const pemOf = new Map(cas.map(({ bundle, loaded }) => [bundle.path, loaded ?? '']));
  const lists = await Promise.all(
    needed.bundles
      .filter(({ kind }) => kind === 'crl')
      .map((one) => loadBundle(one, pemOf.get(one.path.replace(/crl$/, 'ca')) ?? '', options)),
  );
  const report = new FileReport();
  for (const { report: own } of [...certificates, ...cas, ...lists]) {
    report.problems.push(...own.problems);
    report.warnings.push(...own.warnings);
  }
  return {
    certificates: mapOf(certificates.map(({ key, loaded }) => [key, loaded])),
    bundles: mapOf(
      [...cas, ...lists].map(({ bundle, loaded }) => [bundleKey(bundle.kind, bundle.file), loaded]),
    ),
    report,
  };
}

/** Throws SluiceError `credentials_invalid` with all problems. */
export async function loadCredentials(
  config: Config,
  options: LoadOptions = {},
): Promise<{
  readonly credentials: Credentials;
  readonly warnings: readonly FileWarning[];
}> {
  const { certificates, bundles, report } = await readCredentials(config, options);
  if (report.problems.length > 0) throw credentialsError(report.problems);
  return {
    credentials: { certificates, bundles, httpChallenges: new Map(), tlsChallenges: new Map() },
    warnings: report.warnings,
  };
}

/** Every file that a configuration's credentials come from, for whoever watches them. */
export function credentialFiles(config: Config): readonly string[] {
  const { certificates, bundles } = credentialsToLoad(config);
  const files = new Set<string>();
  for (const { certificate } of certificates.filter(isOfFiles)) {
    files.add(certificate.cert);
    files.add(certificate.key);
    if (certificate.ocsp !== null) files.add(certificate.ocsp);
  }
  for (const { file } of bundles) if (file !== SYSTEM_CAS) files.add(file);
  return [...files];
}

function isOfFiles(
  needed: NeededCertificate,
): needed is NeededCertificate & { readonly certificate: KeyPairConfig } {
  return 'cert' in needed.certificate;
}

async function loadBundle(bundle: NeededBundle, cas: string, options: ReadingOptions) {
  const report = new FileReport();
  const { path, file, kind } = bundle;
  const load = () => {
    if (file === SYSTEM_CAS) return loadSystemCas(path, report);
    return kind === 'ca'
      ? loadCas(path, file, options, report)
      : loadRevocationLists(path, file, cas, options, report);
  };
  return { bundle, loaded: await load(), report };
}

function mapOf<T>(entries: readonly (readonly [string, T | null])[]): ReadonlyMap<string, T> {
  return new Map(entries.filter((entry): entry is readonly [string, T] => entry[1] !== null));
}
