// The certificate of a run: ECDSA on P-256, self-signed, made anew in the folder of the run's programs.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeSelfSigned } from '../control/self-signed.ts';

/** The host that the load asks for. */
const NAME = 'bench.test';

/** Returns the file of the certificate; the key is beside it, where HAProxy looks for it too. */
export async function makeCertificate(folder: string): Promise<string> {
  const { certificate, key } = await makeSelfSigned({ names: [NAME], days: 2, keyType: 'ec' });
  const file = join(folder, `${NAME}.pem`);
  await writeFile(file, certificate);
  await writeFile(`${file}.key`, key, { mode: 0o600 });
  return file;
}
