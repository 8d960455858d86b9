// Runs a command under another kernel than this machine's: in a virtual machine that sees this machine's files, may
// change none of them, has a loopback interface and no network. For what depends on how a kernel was built: TLS in
// the kernel, packet filters.
//
//   const guest = findGuest();                      // or why there is none here
//   const run = await guest.run({ modules: ['tls'], command: 'grep . /proc/net/tls_stat' });
//   run.exitCode, run.output
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ArchiveFile, cpioArchive } from './cpio.ts';
import { findKernelImage, type KernelImage, modulesFor } from './kernel-image.ts';

export interface GuestRun {
  /** Kernel modules to load before, in any order; what they need is found. Unknown ones count as built in. */
  readonly modules?: readonly string[];
  /** For sh, as root, in `/`. Exit codes above 124 are the guest's own. */
  readonly command: string;
  readonly timeoutMs?: number;
  readonly memoryMiB?: number;
  readonly processors?: number;
  /** Called with what the command writes, as it comes. */
  readonly onOutput?: (text: string) => void;
}

export interface GuestOutcome {
  /** The command's; null when the machine ended without one, or was ended because time was up. */
  readonly exitCode: number | null;
  /** What the command wrote, to stdout and stderr. */
  readonly output: string;
  /** What the kernel and the machine wrote. */
  readonly console: string;
}

export interface Guest {
  readonly kernel: string;
  run(what: GuestRun): Promise<GuestOutcome>;
}

const MACHINE = 'qemu-system-x86_64';
const INIT_SOURCE = fileURLToPath(new URL('../kernel/guest-init.c', import.meta.url));
/** What the guest itself needs: this machine's files, and a layer above them. */
const OWN_MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];

/** A guest, or why none can be had here. `kernel`: a folder with boot/ and lib/modules/ to use instead of the usual. */
export function findGuest(kernel = process.env.SLUICE_GUEST_KERNEL): Guest | string {
  if (process.arch !== 'x64') return 'the guest is an x86-64 machine';
  if (spawnSync(MACHINE, ['--version']).status !== 0)
    return `${MACHINE} not found (apt-get install qemu-system-x86)`;
  if (spawnSync('gcc', ['--version']).status !== 0) return 'gcc not found (apt-get install gcc)';
  const image = findKernelImage(kernel);
  return image === null
    ? 'no kernel image found (node scripts/fetch-guest-kernel.mjs)'
    : { kernel: image.release, run: (what) => run(image, what) };
}

async function run(image: KernelImage, what: GuestRun): Promise<GuestOutcome> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-guest-'));
  try {
    const initrd = join(folder, 'initrd');
    const console = join(folder, 'console');
    writeFileSync(initrd, firstFiles(image, what, folder));
    const machine = spawn(MACHINE, machineOptions(image, what, { initrd, console }), {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let complaints = '';
    machine.stdout.setEncoding('utf8').on('data', (text: string) => {
      // The terminal in between ends lines in its own way.
      const plain = text.replaceAll('\r\n', '\n');
      output += plain;
      what.onOutput?.(plain);
    });
    machine.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text;
    });
    const timer = setTimeout(() => machine.kill('SIGKILL'), what.timeoutMs ?? 120_000);
    const code = await new Promise<number | null>((resolve, reject) => {
      machine.once('error', reject).once('close', resolve);
    });
    clearTimeout(timer);
    return {
      // The exit device's: twice the code, plus one. Even codes are the machine's own.
      exitCode: code === null || code % 2 === 0 ? null : code >> 1,
      output,
      console: readText(console) + complaints,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function machineOptions(
  image: KernelImage,
  what: GuestRun,
  { initrd, console }: { readonly initrd: string; readonly console: string },
): string[] {
  return [
    // Emulated: where a machine is itself a guest, its own virtualization may be offered and not work.
    ...['-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max'],
    ...['-m', String(what.memoryMiB ?? 2048), '-smp', String(what.processors ?? 2)],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-kernel', image.file, '-initrd', initrd],
    ...['-append', 'console=ttyS0 panic=-1 quiet loglevel=4 random.trust_cpu=on'],
    ...['-serial', `file:${console}`, '-serial', 'stdio'],
    ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04'],
    ...['-fsdev', 'local,id=host,path=/,security_model=none,readonly=on,multidevs=remap'],
    ...['-device', 'virtio-9p-pci,fsdev=host,mount_tag=host'],
    ...['-device', 'virtio-rng-pci'],
  ];
}

function firstFiles(image: KernelImage, what: GuestRun, folder: string): Buffer {
  const init = join(folder, 'init');
  const compiled = spawnSync('gcc', ['-O1', '-static', '-o', init, INIT_SOURCE], {
    encoding: 'utf8',
  });
  if (compiled.status !== 0) throw new Error(`the guest's init: ${compiled.stderr}`);
  const modules = modulesFor(image, [...OWN_MODULES, ...(what.modules ?? [])]);
  const files: ArchiveFile[] = modules.map(({ name, bytes }, index) => ({
    path: `modules/${String(index).padStart(3, '0')}-${name}.ko`,
    mode: 0o644,
    bytes,
  }));
  return cpioArchive([
    { path: 'init', mode: 0o755, bytes: readFileSync(init) },
    { path: 'command', mode: 0o644, bytes: Buffer.from(what.command) },
    ...files,
  ]);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
