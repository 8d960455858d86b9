// A process of its own on a storage of ACME: tests start it to see that two processes leave each other's files alone.
// `lock FOLDER DIRECTORY` tries to lock example.test, says whether it did, and stays; `write …` replaces the account
// again and again until it is killed.

import { Secret } from '../../src/contract/secret.ts';
import { openAcmeStorage } from '../../src/control/acme-storage.ts';

const [what, folder = '', directory = ''] = process.argv.slice(2);
const onWarning = (message: string) => void process.stdout.write(`${message}\n`);
const storage = await openAcmeStorage({ folder, directory, onWarning });
if (what === 'lock') {
  const release = await storage.lock(['example.test']);
  process.stdout.write(release === null ? 'refused\n' : 'locked\n');
  setInterval(() => undefined, 60_000);
} else {
  const key = new Secret(`-----BEGIN PRIVATE KEY-----\n${'x'.repeat(200_000)}\n`);
  process.stdout.write('writing\n');
  for (let i = 0; ; i++) {
    await storage.writeAccount({ key, url: `${directory}/${process.pid}/${i}`, email: null });
  }
}
