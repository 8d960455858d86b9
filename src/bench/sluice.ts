// Sluice itself, once per engine, through its own command line; and the native engine as each of its layers.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineName, LoopInUse } from '../engine/engine.ts';
import { createProxy } from '../proxy.ts';
import { type Relay, writeConfig } from './configuration.ts';
import {
  type Contestant,
  type Found,
  type Loop,
  type Prepared,
  type Splice,
  wordsOf,
} from './contestant.ts';
import { ROOT, sluiceVersion } from './installation.ts';

const COMMAND = join(ROOT, 'bin', 'sluice.js');

export const native = engine('native', ['http', 'tcp', 'udp', 'forward']);
/** Beside `native`, which waits on io_uring where it can: what that is worth. */
export const nativeEpoll: Contestant = {
  ...native,
  id: 'native-epoll',
  label: 'Sluice native, epoll',
  loop: 'epoll',
  find: () => find('native', 'epoll'),
};
export const uws = engine('uws', ['http']);
export const js = engine('js', ['http', 'tcp', 'udp', 'forward']);

export const LAYERS: readonly Contestant[] = [
  layer('native-tcp-copy', 'Sluice native, TCP, copying', 'tcp', 'never'),
  layer('native-tcp-splice', 'Sluice native, TCP, splicing', 'tcp', 'always'),
  layer('native-http', 'Sluice native, HTTP/1.1', 'http', 'auto'),
  layer('native-udp', 'Sluice native, UDP', 'udp', 'auto'),
];

function engine(name: EngineName, protocols: Contestant['protocols']): Contestant {
  return {
    id: name,
    label: `Sluice ${name}`,
    protocols,
    find: () => find(name),
    prepare: (relay) => prepare(relay, name),
  };
}

function layer(
  id: string,
  label: string,
  relaysAs: 'http' | 'tcp' | 'udp',
  splice: Splice,
): Contestant {
  return { ...native, id, label, variantOf: 'native', relaysAs, splice };
}

/** Starts the engine here for a moment: it says best itself why it cannot run. */
async function find(name: EngineName, loop: 'auto' | Loop = 'auto'): Promise<Found> {
  if (!existsSync(COMMAND)) return { missing: 'bin/sluice.js does not exist' };
  if (!existsSync(join(ROOT, 'dist', 'cli', 'main.js'))) {
    return { missing: 'Sluice is not built (npm run build)' };
  }
  try {
    const proxy = await createProxy(
      {
        loop,
        listeners: { probe: { address: '127.0.0.1:0', protocol: 'http', pool: 'probe' } },
        pools: { probe: { targets: ['127.0.0.1:1'] } },
      },
      { engine: name, workers: 1 },
    );
    await proxy.start();
    const { loop: taken } = proxy.stats();
    await proxy.close({ graceMs: 0 });
    return { version: taken ? `${sluiceVersion()} on ${wordsOfLoop(taken)}` : sluiceVersion() };
  } catch (error) {
    return { missing: wordsOf(error) };
  }
}

/** `epoll (Linux 6.1 is older than 6.12)` */
function wordsOfLoop({ name, reason }: LoopInUse): string {
  return reason === '' ? name : `${name} (${reason})`;
}

/** What was changed after it was last built: a run would measure the past. */
export function findStaleBuilds(): readonly string[] {
  const builds = [
    { sources: 'src', suffixes: ['.ts'], built: 'dist/cli', product: 'dist/' },
    { sources: 'native', suffixes: ['.cc', '.h'], built: 'build/Release', product: 'the addon' },
  ];
  return builds
    .filter(({ sources, suffixes, built }) => {
      const [from, to] = [join(ROOT, sources), join(ROOT, built)];
      return existsSync(from) && existsSync(to) && newestOf(from, suffixes) > newestIn(to);
    })
    .map(({ sources, product }) => `${product} is older than ${sources}/ (npm run build)`);
}

/** Of the files of one folder. */
function newestIn(folder: string): number {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((newest, { name }) => Math.max(newest, statSync(join(folder, name)).mtimeMs), 0);
}

/** Folders of native/ that are no part of the addon. */
const BESIDES = ['test/', 'fuzz/', 'load/', 'micro/'];

function newestOf(folder: string, suffixes: readonly string[]): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => suffixes.some((suffix) => name.endsWith(suffix)))
    .filter((name) => !BESIDES.some((besides) => name.startsWith(besides)))
    .reduce((newest, name) => Math.max(newest, statSync(join(folder, name)).mtimeMs), 0);
}

function prepare(relay: Relay, name: EngineName): Prepared {
  const file = join(relay.folder, 'sluice.yaml');
  const parameters = ['run', file, '--engine', name, '--workers', String(relay.workers)];
  return {
    configuration: writeConfig(relay),
    file,
    command: [process.execPath, COMMAND, ...parameters],
  };
}
