// Tells when any of some files is not what it was: replaced by rename, by a symbolic link that points elsewhere, or
// written in place. Folders are watched where that works; a look at every file now and then finds the rest.
import { type FSWatcher, lstatSync, statSync, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface FileWatchOptions {
  readonly files: readonly string[];
  /** signatureOf() the files when they were read. */
  readonly known: string;
  /** Called once a burst of changes is over; the next call waits until it has settled. Never rejects. */
  readonly onChange: () => Promise<void>;
  /** Between two looks that nothing gave rise to. */
  readonly pollMs?: number;
  /** How long nothing may happen before a burst counts as over. */
  readonly quietMs?: number;
}

export interface FileWatch {
  /** Calls onChange after so long, whether anything has changed or not. */
  callAgain(afterMs: number): void;
  close(): void;
}

const POLL_MS = 10_000;
const QUIET_MS = 300;
/** A folder that is never quiet does not put the look off for ever. */
const MAX_QUIETS = 10;

/** Never throws, and does not keep the process alive. */
export function watchFiles(options: FileWatchOptions): FileWatch {
  return options.files.length === 0 ? NOTHING_TO_WATCH : new Watch(options);
}

const NOTHING_TO_WATCH: FileWatch = { callAgain() {}, close() {} };

/** What stat() says follows symbolic links, so it differs when one points elsewhere. */
export async function signatureOf(files: readonly string[]): Promise<string> {
  const parts = await Promise.all(
    files.map(async (file) => {
      try {
        const { dev, ino, size, mtimeMs, ctimeMs } = await stat(file);
        return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code ?? 'unreadable';
      }
    }),
  );
  return parts.join('\n');
}

/** A watch is on the folder that was there when it began, whatever comes to have its name. */
interface WatchedFolder {
  readonly watcher: FSWatcher;
  readonly identity: string;
}

function identityOf(folder: string): string | null {
  const stats = statSync(folder, { throwIfNoEntry: false });
  return stats === undefined ? null : `${stats.dev} ${stats.ino}`;
}

/** The folder, and the one in which it is a symbolic link, since that may come to point elsewhere. */
function withLinks(folder: string): string[] {
  const isLink = lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return isLink ? [folder, dirname(folder)] : [folder];
}

class Watch implements FileWatch {
  readonly #options: Required<FileWatchOptions>;
  readonly #folders: ReadonlySet<string>;
  readonly #watched = new Map<string, WatchedFolder>();
  #known: string;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires; infinite while there is none. */
  #dueMs = Number.POSITIVE_INFINITY;
  #burstSinceMs: number | null = null;
  #isLooking = false;
  #isForced = false;
  #isClosed = false;

  constructor(options: FileWatchOptions) {
    this.#options = { pollMs: POLL_MS, quietMs: QUIET_MS, ...options };
    this.#folders = new Set(options.files.map((file) => dirname(file)));
    this.#known = options.known;
    this.#watchFolders();
    // Where nothing can be watched, too.
    this.#arm(this.#options.quietMs);
  }

  callAgain(afterMs: number): void {
    this.#isForced = true;
    this.#arm(afterMs);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const { watcher } of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  async #look(): Promise<void> {
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#burstSinceMs = null;
    this.#isLooking = true;
    const isForced = this.#isForced;
    this.#isForced = false;
    const now = await signatureOf(this.#options.files);
    const isNews = now !== this.#known;
    this.#known = now;
    if ((isNews || isForced) && !this.#isClosed) await this.#options.onChange();
    this.#isLooking = false;
    this.#watchFolders();
    const nextMs = this.#dueMs;
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#arm(Math.min(this.#options.pollMs, Math.max(0, nextMs - performance.now())));
  }

  /** Sooner wins. While a look is under way only the time is noted. */
  #arm(afterMs: number): void {
    const dueMs = performance.now() + afterMs;
    if (this.#isClosed || dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    clearTimeout(this.#timer);
    if (!this.#isLooking) this.#timer = setTimeout(() => void this.#look(), afterMs).unref();
  }

  /** Every event of a burst puts the look off a little. */
  #note(): void {
    const { quietMs } = this.#options;
    const nowMs = performance.now();
    this.#burstSinceMs ??= nowMs;
    if (nowMs - this.#burstSinceMs < MAX_QUIETS * quietMs && !this.#isForced) {
      this.#dueMs = Number.POSITIVE_INFINITY;
    }
    this.#arm(quietMs);
  }

  #watchFolders(): void {
    for (const folder of this.#folders) {
      try {
        for (const one of withLinks(folder)) this.#watchFolder(one);
      } catch {
        // No such folder, or no more watches to be had: looking now and then remains.
      }
    }
  }

  #watchFolder(folder: string): void {
    const identity = identityOf(folder);
    const before = this.#watched.get(folder);
    if (this.#isClosed || identity === null || before?.identity === identity) return;
    before?.watcher.close();
    this.#watched.delete(folder);
    const watcher = watch(folder, { persistent: false }, () => this.#note());
    watcher.on('error', () => {
      watcher.close();
      if (this.#watched.get(folder)?.watcher === watcher) this.#watched.delete(folder);
    });
    this.#watched.set(folder, { watcher, identity });
    // What changed before it was watched is seen by this look.
    this.#arm(this.#options.quietMs);
  }
}
