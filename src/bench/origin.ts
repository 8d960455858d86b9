// The origin behind every contestant: our own program, started once for the run on the load's cores.

import type { OriginPort } from './cases.ts';
import { generator } from './load.ts';
import type { Processes, Program } from './processes.ts';

export interface Origin {
  readonly ports: Readonly<Record<OriginPort, number>>;
  readonly program: Program;
}

export async function startOrigin(processes: Processes, cores: readonly number[]): Promise<Origin> {
  const program = processes.start('origin', cores, [generator('origin'), '--http', '0']);
  const ports = JSON.parse(await program.readLine()) as Origin['ports'];
  return { ports, program };
}
