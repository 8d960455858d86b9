// The only place that loads uWebSockets.js. Never throws: without it the answer says why and what to do.
import { createRequire } from 'node:module';
import type { UwsModule } from './uwebsockets.d.ts';

export type LoadedUws =
  | { readonly uws: UwsModule; readonly reason?: undefined }
  | { readonly uws?: undefined; readonly reason: string };

const require = createRequire(import.meta.url);

const INSTALL = 'npm install uWebSockets.js@github:uNetworking/uWebSockets.js#v20.56.0';

/**
 * What uWebSockets.js keeps of a request head that has not ended yet; it reads this from the environment when it is
 * loaded. As much as the largest limits.head, with room for what that does not count: the plan's limit is ours to keep.
 */
const MAX_HEAD_BYTES = String(66 * 1024);

let loaded: LoadedUws | undefined;

export function loadUws(): LoadedUws {
  loaded ??= load();
  return loaded;
}

function load(): LoadedUws {
  process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= MAX_HEAD_BYTES;
  try {
    const uws = require('uWebSockets.js') as UwsModule;
    uws._cfg?.('silent');
    return { uws };
  } catch (error) {
    return { reason: `${reasonFor(error)}: ${INSTALL}` };
  }
}

function reasonFor(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'MODULE_NOT_FOUND') return 'the package uWebSockets.js is not installed';
  return `uWebSockets.js does not load (${message?.trim().split('\n', 1)[0] ?? String(error)})`;
}
