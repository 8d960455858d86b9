// Proxies that are npm packages: each runs as a small program of rivals/ on the node of this process.
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Relay } from './configuration.ts';
import { type Contestant, type Found, type Prepared, wordsOf } from './contestant.ts';

export const httpProxy = packageProxy('http-proxy', 'http-proxy', ['http-proxy']);
export const fastifyHttpProxy = packageProxy('fastify-http-proxy', '@fastify/http-proxy', [
  '@fastify/http-proxy',
  'fastify',
]);

function packageProxy(id: string, label: string, packages: readonly string[]): Contestant {
  return {
    id,
    label,
    protocols: ['http'],
    find: async () => findPackages(packages),
    prepare: (relay) => prepare(relay, id),
  };
}

/** The version of the first of them, once all are installed. */
function findPackages(packages: readonly string[]): Found {
  const versions: string[] = [];
  for (const name of packages) {
    const version = packageVersion(name);
    if (version === null) {
      return { missing: `${name} is not installed (npm install --no-save ${packages.join(' ')})` };
    }
    versions.push(version);
  }
  return { version: versions[0] ?? 'unknown' };
}

/** Null when it is not installed. */
export function packageVersion(name: string): string | null {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    try {
      const description = readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8');
      return (JSON.parse(description) as { readonly version: string }).version;
    } catch {
      if (dirname(folder) === folder) return null;
    }
  }
}

/** Full path of a package's main file. Throws when it is not installed. */
export function packageFile(name: string): string {
  try {
    return fileURLToPath(import.meta.resolve(name));
  } catch (error) {
    throw new Error(`${name} is not installed (npm install): ${wordsOf(error)}`);
  }
}

function prepare({ listenPort, targetPort, folder, workers }: Relay, id: string): Prepared {
  if (workers !== 1) throw new Error(`${id} runs on one thread`);
  // The sources run under tsx, the build runs as it stands.
  const suffix = import.meta.filename.endsWith('.ts') ? '.ts' : '.js';
  const program = join(import.meta.dirname, 'rivals', `${id}${suffix}`);
  const loader = suffix === '.ts' ? ['--import', import.meta.resolve('tsx')] : [];
  return {
    configuration: `${basename(program)} ${listenPort} ${targetPort}\n\n${readFileSync(program, 'utf8')}`,
    file: join(folder, 'program.txt'),
    command: [process.execPath, ...loader, program, String(listenPort), String(targetPort)],
  };
}
