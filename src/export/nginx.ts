// A configuration as one of nginx. Written for nginx 1.22; docs/export.md says what becomes of what.
import type { Config } from '../config/config.ts';
import { comment, duration, type Exported, type ExportSettings, Notes } from './exported.ts';
import { forwardListeners } from './facts.ts';
import { httpContext } from './nginx-http.ts';
import { streamContext, streamListeners } from './nginx-stream.ts';
import { block, literal } from './nginx-text.ts';

const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

export function exportNginx(config: Config, settings: ExportSettings): Exported {
  const notes = new Notes();
  const lines = [
    ...comment('Made by sluice export nginx. What differs always, and why, is in docs/export.md.'),
    ...modules(config, settings),
    ...(settings.user === undefined ? [] : [`user ${literal(settings.user)};`]),
    ...(settings.folder === undefined ? [] : standAlone(settings.folder)),
    `worker_processes ${settings.workers};`,
    `worker_shutdown_timeout ${duration(Math.max(1000, config.shutdownGrace))};`,
    ...block('events', [`worker_connections ${settings.connections};`]),
    ...httpContext(config, settings, notes),
    ...streamContext(config, settings, notes),
    ...forwardListeners(config).flatMap(({ path }) =>
      notes.warn(path, 'nginx is no forward proxy: left out'),
    ),
  ];
  return { text: `${lines.join('\n')}\n`, warnings: notes.warnings };
}

function modules(config: Config, { streamModule = STREAM_MODULE }: ExportSettings): string[] {
  if (streamListeners(config).length === 0) return [];
  if (streamModule === null) return comment('The stream module is built in.');
  return [
    ...comment(
      'Where the stream module is built in, or included from elsewhere, leave this line out.',
    ),
    `load_module ${literal(streamModule)};`,
  ];
}

function standAlone(folder: string): string[] {
  return ['daemon off;', 'error_log stderr error;', `pid ${literal(`${folder}/nginx.pid`)};`];
}
