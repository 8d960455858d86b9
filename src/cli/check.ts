// `sluice check FILE`: everything that is wrong with a configuration and the files that it names, and what is allowed but
// cannot be meant.
import type { Config } from '../config/config.ts';
import { loadConfigFile } from '../config/load.ts';
import { configWarnings } from '../config/warnings.ts';
import { loadCredentials } from '../control/credentials.ts';
import { expiryWarnings } from '../control/expiry.ts';
import { formatDay } from '../control/file-report.ts';
import { ForwardFileStore } from '../control/forward-files.ts';
import { formatTable } from '../observe/table.ts';
import { type Credentials, credentialsToLoad } from '../plan/credentials.ts';
import { listCertificates } from '../plan/listed-certificates.ts';

/** Throws SluiceError with all problems. */
export async function check(file: string): Promise<void> {
  const config = await loadConfigFile(file);
  for (const { path, message } of configWarnings(config)) warn(`${path}: ${message}`);
  const nowMs = Date.now();
  const { credentials, warnings } = await loadCredentials(config, { nowMs, isStrict: true });
  for (const { path, message } of warnings) warn(`${path}: ${message}`);
  for (const { message } of expiryWarnings(listCertificates(config, credentials), nowMs)) {
    warn(message);
  }
  const files = await ForwardFileStore.open(config);
  for (const { path, message } of files.warnings) warn(`${path}: ${message}`);
  const { lists, entries, users } = files.counts;
  const targets = Object.values(config.pools).reduce((sum, pool) => sum + pool.targets.length, 0);
  const rows = certificateRows(config, credentials, nowMs);
  const counts = [
    count(Object.keys(config.listeners).length, 'listener'),
    count(Object.keys(config.pools).length, 'pool'),
    count(targets, 'target'),
    ...(rows.length === 0 ? [] : [count(rows.length, 'certificate')]),
    ...(lists === 0 ? [] : [`${count(lists, 'list')} with ${count(entries, 'entr', 'y', 'ies')}`]),
    ...(users === 0 ? [] : [count(users, 'user')]),
  ];
  console.log(`${file}: ok: ${counts.join(', ')}`);
  if (rows.length === 0) return;
  console.log(`\n${formatTable(['CERTIFICATE', 'FOR', 'KEY', 'EXPIRES'], rows)}`);
}

function certificateRows(config: Config, { certificates }: Credentials, nowMs: number): string[][] {
  return credentialsToLoad(config).certificates.map(({ key, certificate }) => {
    const loaded = certificates.get(key);
    if (loaded === undefined || 'acme' in certificate) {
      const names = 'acme' in certificate ? certificate.acme.join(', ') : '';
      return ['by ACME', names, '', 'obtained and renewed while running'];
    }
    const { name, hosts, keyType, notAfterMs } = loaded;
    return [name, hosts.join(', ') || '-', keyType, formatDay(notAfterMs, nowMs)];
  });
}

function warn(message: string): void {
  console.error(`warning: ${message}`);
}

function count(n: number, thing: string, one = '', many = 's'): string {
  return `${n} ${thing}${n === 1 ? one : many}`;
}
