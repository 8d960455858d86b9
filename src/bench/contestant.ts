// What takes part: a Sluice engine or a rival, how to find it and how to make it relay one listener to one
// target. Every configuration is made from the same Sluice configuration (configuration.ts), so it says the same: as
// many workers, no logs, kept-alive connections on both sides, nothing added to a message.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { Relay } from './configuration.ts';

export type Protocol = 'http' | 'tcp' | 'udp' | 'forward';
export type Splice = 'auto' | 'never' | 'always';
export type Loop = 'epoll' | 'io_uring';

export interface Prepared {
  /** Written to `file` before the command is started; part of the report. */
  readonly configuration: string;
  readonly file: string;
  readonly command: readonly string[];
}

export type Found = { readonly version: string } | { readonly missing: string };

export interface Contestant {
  readonly id: string;
  readonly label: string;
  /** The contestant whose program this is too: `--proxies native` takes both. */
  readonly variantOf?: string;
  readonly protocols: readonly Protocol[];
  /** What it relays as, whatever the protocol of the case. */
  readonly relaysAs?: Protocol;
  readonly splice?: Splice;
  readonly loop?: Loop;
  find(): Promise<Found>;
  /** Null where nothing stands between the load and the origin. */
  readonly prepare: ((relay: Relay) => Prepared) | null;
}

/** The load goes straight to the origin: what nobody can be faster than. */
export const direct: Contestant = {
  id: 'direct',
  label: 'no proxy',
  protocols: ['http', 'tcp', 'udp'],
  find: async () => ({ version: 'none' }),
  prepare: null,
};

const execute = promisify(execFile);

/** Full path of a program, also where only root's PATH leads. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  return found ?? null;
}

/** What a program prints about itself, on whichever stream. */
export async function askProgram(path: string, ...parameters: string[]): Promise<string> {
  const { stdout, stderr } = await execute(path, parameters);
  return stdout + stderr;
}

/** One line that says what went wrong. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
