// A configuration from a file: YAML, JSON, or a module whose default export it is.
import { readFile, stat } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type ErrorCode, LineCounter, parseDocument, type YAMLError } from 'yaml';
import { type Problem, SluiceError } from '../contract/errors.ts';
import type { Config } from './config.ts';
import { parseConfig } from './parse.ts';
import { configError } from './problems.ts';

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

function readYaml(text: string, shown: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const errors = [...document.errors, ...document.warnings];
  if (errors.length > 0)
    throw configError(
      shown,
      errors.map((error) => syntaxProblem(error, lines)),
    );
  try {
    return document.toJS() as unknown;
  } catch (error) {
    // Aliases that refer to nothing, or to so much that they could only be an attack.
    const reason = error instanceof Error ? error.message : String(error);
    throw configError(shown, [
      { path: shown, expected: 'YAML whose aliases can be followed', received: reason },
    ]);
  }
}

const YAML_EXPECTED: Partial<Record<ErrorCode, string>> = {
  DUPLICATE_KEY: 'each key once',
  MULTIPLE_DOCS: 'one document',
  TAG_RESOLVE_FAILED: 'no tags but those of YAML itself',
  TAB_AS_INDENT: 'spaces for indentation',
};

function syntaxProblem(error: YAMLError, lines: LineCounter): Problem {
  const { line, col } = lines.linePos(error.pos[0]);
  return {
    path: `line ${line}, column ${col}`,
    expected: YAML_EXPECTED[error.code] ?? 'YAML',
    received: error.message.replaceAll('\n', ' '),
  };
}

function readJson(text: string, shown: string): unknown {
  const value = parseJson(text, shown);
  // JSON.parse keeps the last of two equal keys; YAML, of which JSON is a part, tells of them.
  const lines = new LineCounter();
  const { errors } = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    schema: 'json',
  });
  const duplicates = errors.filter((error) => error.code === 'DUPLICATE_KEY');
  if (duplicates.length > 0) {
    throw configError(
      shown,
      duplicates.map((error) => syntaxProblem(error, lines)),
    );
  }
  return value;
}

function parseJson(text: string, shown: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const position = /at position (\d+)/.exec(message)?.[1];
    const before = text
      .slice(0, position === undefined ? text.length : Number(position))
      .split('\n');
    const path = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
    const received = message.replace(/ in JSON at position.*$/s, '').replaceAll('\n', ' ');
    throw configError(shown, [{ path, expected: 'JSON', received }]);
  }
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
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw unreadable(shown, `it fails when run: ${reason.split('\n', 1)[0] ?? ''}`, error);
  }
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
