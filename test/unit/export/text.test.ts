// What is printed for each setting, and that the programs themselves accept it.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadConfigFile } from '../../../src/config/load.ts';
import type { ExportSettings } from '../../../src/export/exported.ts';
import { exportHaproxy } from '../../../src/export/haproxy.ts';
import { exportNginx } from '../../../src/export/nginx.ts';
import { copyExample, noOpenssl, WITH_CERTIFICATES } from '../../examples/place.ts';
import { Scope } from '../../support/scope.ts';
import { checkText } from './check-text.ts';
import {
  complaint,
  exportFor,
  missing,
  missingStream,
  PROGRAMS,
  type ProgramName,
  Workplace,
} from './programs.ts';
import { SETTINGS } from './settings.ts';

const EXAMPLES = fileURLToPath(new URL('../../../examples', import.meta.url));
for (const program of PROGRAMS) {
  describe(`the text of an export to ${program}`, () => {
    for (const { name, config, settings, ...wanted } of SETTINGS) {
      it(`says ${name}`, () => checkText(program, config, settings ?? {}, wanted[program]));
    }
  });

  describe(`${program} itself`, {
    skip: missing(program) || (program === 'nginx' && missingStream()),
  }, () => {
    for (const { name, config } of SETTINGS) {
      it(`accepts ${name}`, () =>
        assert.equal(
          complaintOf(program, (settings) => exportFor(program, config, settings).text),
          null,
        ));
    }

    for (const folder of readdirSync(EXAMPLES)) {
      const files = readdirSync(join(EXAMPLES, folder)).filter((name) =>
        /^sluice\.ya?ml$/.test(name),
      );
      for (const file of files) {
        const isSecure = WITH_CERTIFICATES.includes(folder);
        it(`accepts the example ${folder}`, { skip: isSecure && noOpenssl }, async () => {
          const scope = new Scope();
          try {
            const place = isSecure ? await copyWithKeys(scope, folder) : join(EXAMPLES, folder);
            const config = await loadConfigFile(join(place, file));
            const make = program === 'nginx' ? exportNginx : exportHaproxy;
            assert.equal(
              complaintOf(
                program,
                (settings) => make(config, { workers: 2, connections: 1000, ...settings }).text,
              ),
              null,
            );
          } finally {
            await scope.close();
          }
        });
      }
    }
  });
}

/** With what an export asks to be put together for HAProxy: certificate and key in one file. */
async function copyWithKeys(scope: Scope, example: string): Promise<string> {
  const { folder } = await copyExample(scope, example);
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.key')) continue;
    const cert = join(folder, name.replace(/key$/, 'pem'));
    const both = [await readFile(cert), await readFile(join(folder, name))];
    await writeFile(`${cert}.haproxy`, Buffer.concat(both));
  }
  return folder;
}

/** HAProxy does not start with nothing to listen on; that is none of the text's fault. */
function complaintOf(
  program: ProgramName,
  print: (settings: Partial<ExportSettings>) => string,
): string | null {
  const place = new Workplace();
  try {
    const text = print(place.settings);
    if (program === 'haproxy' && !/^frontend/m.test(text)) return null;
    return complaint(program, text);
  } finally {
    place.close();
  }
}
