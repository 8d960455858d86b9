// A contestant that has been started for one case, on the proxies' core.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Contestant, Protocol } from './contestant.ts';
import { freePort, waitForTcp, waitForUdp } from './ports.ts';
import { processTree } from './proc.ts';
import type { Processes, Program } from './processes.ts';

const START_PATIENCE_MS = 15_000;

export interface Running {
  readonly contestant: Contestant;
  readonly configuration: string;
  readonly port: number;
  readonly program: Program;
}

export interface StartOptions {
  readonly processes: Processes;
  readonly core: number;
  readonly protocol: Protocol;
  readonly targetPort: number;
}

let started = 0;

/** Resolves once the contestant listens; throws with its last words when it does not come to that. */
export async function start(contestant: Contestant, options: StartOptions): Promise<Running> {
  const { processes, core, protocol, targetPort } = options;
  started += 1;
  const folder = join(processes.folder, `${contestant.id}-${started}`);
  await mkdir(folder);
  const port = await freePort();
  const prepared = contestant.prepare({ protocol, listenPort: port, targetPort, folder });
  await writeFile(prepared.file, prepared.configuration);
  const program = processes.start(contestant.label, core, prepared.command);
  const deadline = Date.now() + START_PATIENCE_MS;
  const isOver = (): boolean => program.hasEnded || Date.now() > deadline;
  const listens = await (protocol === 'udp' ? waitForUdp : waitForTcp)(port, isOver);
  if (!listens) {
    const how = program.hasEnded ? 'ended instead of listening' : 'does not listen';
    await program.stop();
    throw new Error(`${contestant.label} ${how}: ${program.lastWords}`);
  }
  return { contestant, configuration: prepared.configuration, port, program };
}

/** All its processes. A contestant that has ended, or lost its main process, is an error. */
export function processesOf({ contestant, program }: Running): readonly number[] {
  if (program.hasEnded) throw new Error(`${contestant.label} has ended: ${program.lastWords}`);
  return processTree(program.pid);
}
