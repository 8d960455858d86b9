// `sluice cert self-signed NAME…`: a certificate and its key for development, and what to write to use them.
import { access, mkdir, open } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join, relative } from 'node:path';
import { isHostName } from '../config/host.ts';
import { SluiceError } from '../contract/errors.ts';
import { makeSelfSigned } from '../control/self-signed.ts';

export interface SelfSignedFlags {
  readonly days: number;
  readonly out: string;
  readonly key: 'ec' | 'rsa';
  readonly force?: boolean;
}

/** Throws SluiceError: `config_invalid` for names that are none, `storage_unusable` for files that cannot be written. */
export async function certSelfSigned(
  written: readonly string[],
  flags: SelfSignedFlags,
): Promise<void> {
  const names = written.map(readName);
  const base = (names[0] ?? 'localhost').replace('*', '_').replaceAll(':', '-');
  const [certFile, keyFile] = [join(flags.out, `${base}.pem`), join(flags.out, `${base}.key`)];
  if (flags.force !== true) await mustNotExist([certFile, keyFile]);
  const { days, key: keyType } = flags;
  const { certificate, key } = await makeSelfSigned({ names, days, keyType });
  try {
    await mkdir(flags.out, { recursive: true });
    await write(keyFile, key, 0o600, flags.force === true);
    await write(certFile, certificate, 0o644, flags.force === true);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SluiceError('storage_unusable', `cannot write to ${flags.out}: ${reason}`, { cause });
  }
  const until = new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
  console.log(`Wrote ${certFile} and ${keyFile}, for ${names.join(', ')}, until ${until}.

For a listener with protocol: https:

  tls:
    certificates:
      - { cert: ${shown(certFile)}, key: ${shown(keyFile)} }

Clients do not believe it by themselves:

  curl --cacert ${certFile} https://${tryHost(names[0] ?? 'localhost')}/`);
}

function readName(text: string): string {
  const name = text.toLowerCase();
  const host = name.startsWith('*.') ? name.slice(2) : name;
  if (isIP(name) !== 0 || isHostName(host)) return name;
  throw new SluiceError(
    'config_invalid',
    `${JSON.stringify(text)}: expected a host name such as localhost or *.example.test, or an IP address`,
  );
}

async function mustNotExist(files: readonly string[]): Promise<void> {
  for (const file of files) {
    const exists = await access(file).then(
      () => true,
      () => false,
    );
    if (exists) {
      throw new SluiceError(
        'storage_unusable',
        `${file} exists: it stays as it is. --out names another folder, --force overwrites it`,
      );
    }
  }
}

/** An existing file keeps its mode when it is written to, so the mode is set besides. */
async function write(file: string, text: string, mode: number, isForced: boolean): Promise<void> {
  const handle = await open(file, isForced ? 'w' : 'wx', mode);
  try {
    await handle.chmod(mode);
    await handle.writeFile(text);
  } finally {
    await handle.close();
  }
}

/** As a configuration in this folder names it. */
function shown(file: string): string {
  const name = relative('.', file);
  return /^[A-Za-z0-9_./-]+$/.test(name) ? name : JSON.stringify(name);
}

function tryHost(name: string): string {
  if (isIP(name) === 6) return `[${name}]`;
  return name.replace('*', 'www');
}
