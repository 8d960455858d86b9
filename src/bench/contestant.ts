// What takes part in a comparison: a Sluice engine or a rival, how to find it and how to make it relay one
// listener to one target. Every configuration says the same: one worker thread, no logs, kept-alive
// connections on both sides, nothing added to a message, nothing limited that the load would reach.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

export const CONTESTANT_IDS = ['native', 'js', 'nginx', 'haproxy', 'haproxy-splice'] as const;
export type ContestantId = (typeof CONTESTANT_IDS)[number];

export type Protocol = 'http' | 'tcp' | 'udp';

export interface Relay {
  readonly protocol: Protocol;
  readonly listenPort: number;
  readonly targetPort: number;
  /** Where the contestant may keep files; removed after the run. */
  readonly folder: string;
}

export interface Prepared {
  /** Written to `file` before the command is started; part of the JSON result. */
  readonly configuration: string;
  readonly file: string;
  readonly command: readonly string[];
}

export type Found = { readonly version: string } | { readonly missing: string };

export interface Contestant {
  readonly id: ContestantId;
  readonly label: string;
  readonly protocols: readonly Protocol[];
  find(): Promise<Found>;
  prepare(relay: Relay): Prepared;
}

/** How long an idle connection or upstream may stay: longer than any run. */
export const PATIENCE_SECONDS = 3_600;
/** How long a UDP session may be idle: sessions of earlier samples go before their table grows long. */
export const UDP_PATIENCE_SECONDS = 10;
/** Connections that a rival is told to expect: the idle scenario's and room for their upstreams. */
export const CONNECTIONS = 16_384;

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
