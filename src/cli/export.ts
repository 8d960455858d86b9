// `sluice export nginx|haproxy FILE`: the same configuration for another program, on standard output; what that
// program cannot do, on standard error and as comments where it would have stood.
import { availableParallelism } from 'node:os';
import type { Config } from '../config/config.ts';
import { loadConfigFile } from '../config/load.ts';
import { readCredentials } from '../control/credentials.ts';
import type { Exported, ExportSettings } from '../export/exported.ts';

export const EXPORT_PROGRAMS = ['nginx', 'haproxy'] as const;
export type ExportProgram = (typeof EXPORT_PROGRAMS)[number];

export interface ExportFlags {
  readonly workers?: 'auto' | number;
  readonly connections: number;
  readonly folder?: string;
  readonly user?: string;
  /** `none` where it is built in. */
  readonly streamModule?: string;
}

export async function exportTo(
  program: ExportProgram,
  file: string,
  flags: ExportFlags,
): Promise<void> {
  const config = await loadConfigFile(file);
  const workers = flags.workers ?? config.workers;
  // What cannot be read is left out: an export is often made where the keys are not.
  const { certificates } = await readCredentials(config);
  const settings: ExportSettings = {
    certificates,
    workers: workers === 'auto' ? availableParallelism() : workers,
    connections: flags.connections,
    ...(flags.folder === undefined ? {} : { folder: flags.folder }),
    ...(flags.user === undefined ? {} : { user: flags.user }),
    ...(flags.streamModule === undefined
      ? {}
      : { streamModule: flags.streamModule === 'none' ? null : flags.streamModule }),
  };
  const { text, warnings } = await exporting(program, config, settings);
  process.stdout.write(text);
  for (const warning of warnings) console.error(`warning: ${warning}`);
}

/** Loaded on demand: no other command needs it. */
async function exporting(
  program: ExportProgram,
  config: Config,
  settings: ExportSettings,
): Promise<Exported> {
  switch (program) {
    case 'nginx':
      return (await import('../export/nginx.ts')).exportNginx(config, settings);
    case 'haproxy':
      return (await import('../export/haproxy.ts')).exportHaproxy(config, settings);
  }
}
