// A Linux kernel for the guest of kernel-guest.ts: where one lies on this machine, and which of its modules a module
// needs. scripts/fetch-guest-kernel.mjs gets Debian's into build/guest-kernel, without installing it.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface KernelImage {
  /** As `uname -r` says in the guest. */
  readonly release: string;
  readonly file: string;
  /** The folder that its modules lie below. */
  readonly modules: string;
}

export interface KernelModule {
  readonly name: string;
  /** The contents, decompressed. */
  readonly bytes: Buffer;
}

const FETCHED = fileURLToPath(new URL('../../build/guest-kernel', import.meta.url));

/** Of those that were fetched, or else are installed, the newest. `root`: where else to look. */
export function findKernelImage(root?: string): KernelImage | null {
  for (const place of root === undefined ? [FETCHED, '/'] : [root]) {
    const [image] = imagesIn(place);
    if (image !== undefined) return image;
  }
  return null;
}

function imagesIn(place: string): KernelImage[] {
  const folders = ['lib/modules', 'usr/lib/modules'].map((folder) => join(place, folder));
  const releases = folders
    .filter(existsSync)
    .flatMap((folder) =>
      readdirSync(folder).map((release) => ({ release, modules: join(folder, release) })),
    );
  return releases
    .sort((one, other) => other.release.localeCompare(one.release, 'en', { numeric: true }))
    .flatMap(({ release, modules }) => {
      // Newer packages have it beside the modules.
      const images = [join(place, 'boot', `vmlinuz-${release}`), join(modules, 'vmlinuz')];
      const file = images.find((image) => existsSync(image));
      return file === undefined ? [] : [{ release, file, modules }];
    });
}

/** These modules and all that they need, in the order in which they are to be loaded; what is built in is left out. */
export function modulesFor(image: KernelImage, names: readonly string[]): readonly KernelModule[] {
  const files = new Map(
    readdirSync(image.modules, { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.ko(\.xz|\.zst)?$/.test(path))
      .map((path) => [plainName(basename(path)), join(image.modules, path)]),
  );
  const loaded = new Map<string, KernelModule>();
  const load = (name: string) => {
    const file = files.get(name);
    if (file === undefined || loaded.has(name)) return;
    const bytes = decompressed(file);
    for (const needed of neededBy(bytes)) load(needed);
    loaded.set(name, { name, bytes });
  };
  for (const name of names) load(plainName(name));
  return [...loaded.values()];
}

const plainName = (name: string) => name.replace(/\.ko.*$/, '').replaceAll('-', '_');

function decompressed(file: string): Buffer {
  const tool = { '.xz': 'xz', '.zst': 'zstd' }[/\.\w+$/.exec(file)?.[0] ?? ''];
  if (tool === undefined) return readFileSync(file);
  const { stdout, status } = spawnSync(tool, ['-dc', file], { maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${tool} does not decompress ${file}`);
  return stdout;
}

/** A module says what it needs among the texts of its section .modinfo. */
function neededBy(bytes: Buffer): readonly string[] {
  const at = bytes.indexOf('\0depends=') + '\0depends='.length;
  const names = bytes.toString('latin1', at, bytes.indexOf(0, at));
  return names
    .split(',')
    .filter((name) => name !== '')
    .map(plainName);
}
