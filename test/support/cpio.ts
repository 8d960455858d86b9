// Writes what a kernel unpacks as its first file system: a cpio archive of the form `newc`.

export interface ArchiveFile {
  readonly path: string;
  readonly mode: number;
  readonly bytes: Uint8Array;
}

const FILE = 0o100000;
const FOLDER = 0o040000;
const ALIGNMENT = 4;

/** Folders are made as files need them. */
export function cpioArchive(files: readonly ArchiveFile[]): Buffer {
  const folders = new Set(files.flatMap(({ path }) => parentsOf(path)));
  const entries = [
    ...[...folders].map((path) => entry(path, FOLDER | 0o755, new Uint8Array())),
    ...files.map(({ path, mode, bytes }) => entry(path, FILE | mode, bytes)),
    entry('TRAILER!!!', 0, new Uint8Array()),
  ];
  return Buffer.concat(entries.flat());
}

function parentsOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

let inode = 0;

function entry(path: string, mode: number, bytes: Uint8Array): Uint8Array[] {
  inode += 1;
  const name = Buffer.from(`${path}\0`);
  // Inode, mode, owner, group, links, time, size, four device numbers, length of the name, checksum.
  const fields = [inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0];
  const numbers = fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  const head = Buffer.concat([Buffer.from(`070701${numbers}`), name]);
  return [padded(head), padded(bytes)];
}

function padded(bytes: Uint8Array): Uint8Array {
  const rest = bytes.length % ALIGNMENT;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(ALIGNMENT - rest)]);
}
