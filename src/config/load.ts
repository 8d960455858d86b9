// A configuration from a file: YAML, JSON, or a module whose default export it is.
import { readFile, stat } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LineCounter } from 'yaml';
import { SluiceError } from '../contract/errors.ts';
import type { Config } from './config.ts';
import { findJsonMistakes } from './json.ts';
import { parseConfig } from './parse.ts';
import { configError } from './problems.ts';
import { placeOf, readYaml } from './yaml.ts';

/** A configuration larger than this is a mistake. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
const KINDS = '.yaml, .yml, .json, .ts, .mts, .js or .mjs';

/**
 * Reads and checks a file; relative file names in it are relative to its folder. Throws SluiceError
 * `config_unreadable` when it cannot be read or run, `config_invalid` when what it says is wrong.
 */
export async function loadConfigFile(path: string): Promise<Config> {
  const file = resolve(path);
  const input = await readInput(file, path);
  return parseConfig(input, { baseFolder: dirname(file), subject: path });
}

async function readInput(file: string, shown: string): Promise<unknown> {
  switch (extname(file).toLowerCase()) {
    case '.yaml':
    case '.yml':
      return readYaml(await readText(file, shown), shown);
    case '.json':
      return readJson(await readText(file, shown), shown);
    case '.ts':
    case '.mts':
    case '.js':
    case '.mjs':
      return readModule(file, shown);
    default:
      throw unreadable(shown, `the name of a configuration file ends with ${KINDS}`);
  }
}

function unreadable(shown: string, reason: string, cause?: unknown): SluiceError {
  return new SluiceError('config_unreadable', `cannot read ${shown}: ${reason}`, { cause });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is not a folder',
  ELOOP: 'its symbolic links go in circles',
};

async function readText(file: string, shown: string): Promise<string> {
  const bytes = await attempt(shown, async () => {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) throw unreadable(shown, 'it is larger than 16MiB');
    return readFile(file);
  });
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw unreadable(shown, 'it is not UTF-8 text', error);
  }
}

async function attempt<T>(shown: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw unreadable(shown, REASONS[code] ?? (code || String(error)), error);
  }
}

function readJson(text: string, shown: string): unknown {
  const mistakes = findJsonMistakes(text);
  if (mistakes.length === 0) return JSON.parse(text);
  const lines = new LineCounter();
  for (const { index } of text.matchAll(/^/gm)) lines.addNewLine(index);
  throw configError(
    shown,
    mistakes.map(({ index, ...finding }) => ({ path: placeOf(index, lines), ...finding })),
  );
}

/** Modules are cached by address: a number in it makes every reload run the file again. */
let reads = 0;

async function readModule(file: string, shown: string): Promise<unknown> {
  await attempt(shown, () => stat(file));
  const exported = await runModule(file, shown);
  if (exported === undefined)
    throw unreadable(shown, 'it has no default export: write export default defineConfig({ … })');
  if (typeof exported === 'function')
    throw unreadable(shown, 'its default export is a function: export what it returns');
  return exported;
}

async function runModule(file: string, shown: string): Promise<unknown> {
  const url = pathToFileURL(file).href;
  try {
    const loaded = /\.m?ts$/i.test(file)
      ? await importTypeScript(url)
      : await import(`${url}?read=${++reads}`);
    return await defaultOf(loaded);
  } catch (error) {
    throw unreadable(shown, `it fails when run: ${firstSentence(error)}`, error);
  }
}

/** One line of an error; the compiler's first only counts them, and its second says where and what. */
function firstSentence(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const [first = '', second] = text.split('\n');
  return second !== undefined && first.endsWith(':') ? second : first;
}

async function importTypeScript(url: string): Promise<unknown> {
  const { tsImport } = await import('tsx/esm/api');
  return tsImport(url, import.meta.url);
}

/** CommonJS modules arrive with their exports below `default`, those of compilers one level further down. */
function defaultOf(loaded: unknown): unknown {
  const outer = (loaded as { readonly default?: unknown }).default;
  const isInterop = typeof outer === 'object' && outer !== null && '__esModule' in outer;
  return isInterop ? (outer as { readonly default?: unknown }).default : outer;
}
