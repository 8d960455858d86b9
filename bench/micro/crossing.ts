// The development addon of the micro-benches (crossing.cc): built on demand, never by npm install.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeMicro } from '../../src/bench/native-loops.ts';

/** What crossing.cc exports. Arguments of another kind are a TypeError. */
export interface Crossing {
  /** What is wrong with an encoded plan; '' when it is in force. */
  takePlan(plan: Uint8Array): string;
  /** The head that forward() forwards; what is wrong with it, or ''. */
  takeHead(head: Uint8Array): string;
  /** Number of fields, or -1. */
  parse(head: Uint8Array): number;
  /** method, target, name, value, name, value, …; empty when it is no head. */
  parseToStrings(head: Uint8Array): string[];
  /** Index of the route within the plan, or -1. */
  route(listener: number, host: string, path: string): number;
  /** A pool's cursor and the random numbers begin anew. */
  restart(pool: number, seed: number): void;
  /** Position of a target, for a client by its number (clientHost() of src/bench/js-picks.ts). */
  pick(pool: number, client: number): number;
  /** Length of the head that was written into `out`; 0 when it did not fit. */
  forward(route: number, target: number, out: Uint8Array): number;
}

/** Throws an Error that says what is missing. */
export async function loadCrossing(): Promise<Crossing> {
  const prefixes = [dirname(dirname(process.execPath)), process.env.npm_config_nodedir];
  const include = prefixes
    .map((prefix) => join(prefix ?? '', 'include', 'node'))
    .find((folder) => existsSync(join(folder, 'node_api.h')));
  if (include === undefined) {
    throw new Error(`the headers of Node ${process.version} are not beside it`);
  }
  await makeMicro('addon', `NODE_INCLUDE=${include}`);
  const path = fileURLToPath(new URL('../../build/micro/crossing.node', import.meta.url));
  return createRequire(import.meta.url)(path) as Crossing;
}
