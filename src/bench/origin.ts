// The origins behind every contestant, started once for the run on the load's core: nginx for HTTP, our own
// program for TCP and UDP.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PROGRAMS } from './load.ts';
import { prepareOrigin } from './nginx.ts';
import { freePort, waitForTcp } from './ports.ts';
import type { Processes } from './processes.ts';
import { LARGE_BODY, type OriginPort, SMALL_BODY } from './scenarios.ts';

export interface Origins {
  readonly ports: Readonly<Record<OriginPort, number>>;
  readonly configuration: string;
}

export async function startOrigins(processes: Processes, core: number): Promise<Origins> {
  const own = processes.start('origin', core, [join(PROGRAMS, 'origin')]);
  const ports = JSON.parse(await own.readLine()) as Record<Exclude<OriginPort, 'http'>, number>;

  const folder = join(processes.folder, 'origin');
  const largeFile = join(folder, 'large');
  await mkdir(folder);
  await writeFile(largeFile, LARGE_BODY, { mode: 0o644 });
  const port = await freePort();
  const { configuration, file, command } = prepareOrigin({
    port,
    folder,
    smallBody: SMALL_BODY,
    largeFile,
  });
  await writeFile(file, configuration);
  const http = processes.start('nginx origin', core, command);
  if (!(await waitForTcp(port, () => http.hasEnded))) {
    throw new Error(`the nginx origin did not start: ${http.lastWords}`);
  }
  return { ports: { ...ports, http: port }, configuration };
}
