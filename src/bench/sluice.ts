// Sluice itself, once per engine, through its own command line.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  askProgram,
  type Contestant,
  type Found,
  PATIENCE_SECONDS,
  type Prepared,
  type Relay,
  UDP_PATIENCE_SECONDS,
} from './contestant.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const COMMAND = join(ROOT, 'bin', 'sluice.js');

export const native = contestant('native');
export const js = contestant('js');

function contestant(engine: 'native' | 'js'): Contestant {
  return {
    id: engine,
    label: `Sluice ${engine}`,
    protocols: ['http', 'tcp', 'udp'],
    find,
    prepare: (relay) => prepare(relay, engine),
  };
}

async function find(): Promise<Found> {
  if (!existsSync(COMMAND)) return { missing: 'bin/sluice.js does not exist' };
  try {
    return { version: (await askProgram(process.execPath, COMMAND, '--version')).trim() };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    const lines = words.trim().split('\n');
    const told = lines.find((line) => /^(\w*Error|sluice:)/.test(line)) ?? lines.at(-1);
    return { missing: `sluice --version failed: ${told}` };
  }
}

/** What was changed after it was last built: a run would measure the past. */
export function findStaleBuilds(): readonly string[] {
  const builds = [
    { sources: 'src', suffixes: ['.ts'], built: 'dist/cli/main.js' },
    { sources: 'native', suffixes: ['.cc', '.h'], built: 'build/Release/sluice.node' },
  ];
  return builds
    .filter(({ sources, suffixes, built }) => {
      const file = join(ROOT, built);
      return existsSync(file) && newestOf(join(ROOT, sources), suffixes) > statSync(file).mtimeMs;
    })
    .map(({ sources, built }) => `${built} is older than ${sources}/ (npm run build)`);
}

function newestOf(folder: string, suffixes: readonly string[]): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => suffixes.some((suffix) => name.endsWith(suffix)))
    .filter((name) => !name.startsWith('test/') && !name.startsWith('fuzz/'))
    .reduce((newest, name) => Math.max(newest, statSync(join(folder, name)).mtimeMs), 0);
}

function prepare(relay: Relay, engine: string): Prepared {
  const file = join(relay.folder, 'sluice.yaml');
  const settings = {
    http: `
    forwarded: "off"
    timeouts: { keepAlive: ${PATIENCE_SECONDS}s }`,
    tcp: '',
    udp: `
    idleTimeout: ${UDP_PATIENCE_SECONDS}s`,
  } as const satisfies Record<Relay['protocol'], string>;
  const configuration = `shutdownGrace: 1s
listeners:
  bench:
    address: 127.0.0.1:${relay.listenPort}
    protocol: ${relay.protocol}
    pool: origin${settings[relay.protocol]}
pools:
  origin:
    targets: ["127.0.0.1:${relay.targetPort}"]
`;
  const parameters = ['run', file, '--engine', engine, '--workers', '1'];
  return { configuration, file, command: [process.execPath, COMMAND, ...parameters] };
}
