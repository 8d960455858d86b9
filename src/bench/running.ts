// A contestant that has been started, on the proxies' cores, in front of one port of the origin.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Relay } from './configuration.ts';
import type { Contestant } from './contestant.ts';
import { freePort, waitForTcp, waitForUdp } from './ports.ts';
import { type CpuTime, cpuTime, processTree } from './proc.ts';
import type { Processes, Program } from './processes.ts';

const START_PATIENCE_MS = 15_000;

export interface Running {
  readonly contestant: Contestant;
  readonly configuration: string;
  readonly port: number;
  /** Of the origin. */
  readonly targetPort: number;
  /** Null where nothing stands between the load and the origin. */
  readonly program: Program | null;
}

export interface StartOptions extends Omit<Relay, 'listenPort' | 'folder'> {
  readonly processes: Processes;
  readonly cores: readonly number[];
}

let started = 0;

/** Resolves once the contestant listens; throws with its last words when it does not come to that. */
export async function start(contestant: Contestant, options: StartOptions): Promise<Running> {
  const { processes, cores, targetPort } = options;
  if (contestant.prepare === null) {
    return { contestant, configuration: '', port: targetPort, targetPort, program: null };
  }
  started += 1;
  const folder = join(processes.folder, `${contestant.id}-${started}`);
  await mkdir(folder);
  const port = await freePort();
  const protocol = contestant.relaysAs ?? options.protocol;
  const splice = contestant.splice ?? options.splice;
  const { workers } = options;
  const certificate = options.certificate ? { certificate: options.certificate } : {};
  const loop = contestant.loop ? { loop: contestant.loop } : {};
  const relay: Relay = {
    ...{ protocol, splice, ...loop, ...certificate, workers },
    ...{ targetPort, listenPort: port, folder },
  };
  const prepared = contestant.prepare(relay);
  await writeFile(prepared.file, prepared.configuration);
  const program = processes.start(contestant.label, cores, prepared.command);
  const deadline = Date.now() + START_PATIENCE_MS;
  const isOver = (): boolean => program.hasEnded || Date.now() > deadline;
  const listens = await (protocol === 'udp' ? waitForUdp : waitForTcp)(port, isOver);
  if (!listens) {
    const how = program.hasEnded ? 'ended instead of listening' : 'does not listen';
    await program.stop();
    throw new Error(`${contestant.label} ${how}: ${program.lastWords}`);
  }
  return { contestant, configuration: prepared.configuration, port, targetPort, program };
}

/** All its processes. A contestant that has ended, or lost its main process, is an error. */
export function processesOf({ contestant, program }: Running): readonly number[] {
  if (program === null) return [];
  if (program.hasEnded) throw new Error(`${contestant.label} has ended: ${program.lastWords}`);
  return processTree(program.pid);
}

export interface CpuReading {
  readonly pids: readonly number[];
  readonly time: CpuTime;
}

export function readCpu(running: Running): CpuReading {
  const pids = processesOf(running);
  return { pids, time: cpuTime(pids) };
}
