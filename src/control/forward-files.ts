// The files of forward proxies: lists, users, pages and PAC files. Read before a plan is made and again when they change,
// each by itself; one that cannot be used any more leaves what was read of it before in force. Main thread; owned by the
// proxy, one for a configuration.
import { randomBytes } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { type ForwardFiles, forwardFilesToLoad, type LoadedList } from '../plan/forward-files.ts';
import { digestOf } from './digest.ts';
import { FileReport, type FileWarning, filesError } from './file-report.ts';
import { type FileWatch, signatureOf, watchFiles } from './file-watch.ts';
import { readInputFile } from './input-file.ts';
import { unknownUsers } from './known-users.ts';
import { readListFile } from './list-file.ts';
import { readUsersFile, type UsersFile } from './users-file.ts';

export interface ForwardFileHooks {
  /** `current` is another: put a plan with it in force. When this rejects, the change is taken back. */
  readonly onChange: (reason: string) => Promise<void>;
  readonly onWarning: (message: string) => void;
  /** As of watchFiles(). */
  readonly pollMs?: number;
  readonly quietMs?: number;
}

export interface FileCounts {
  readonly lists: number;
  readonly entries: number;
  readonly users: number;
}

/** What Via calls this process: drawn anew in every one, so that only its own requests come back to it. */
const INSTANCE = `sluice-${randomBytes(4).toString('hex')}`;

/** What an engine sends in one piece. Of pages there is more to come, where something is filled in. */
const MAX_TEXT_BYTES = { page: 32 * 1024, pac: 128 * 1024 };

type Content =
  | {
      readonly kind: 'list';
      readonly digest: string;
      readonly list: LoadedList;
      readonly size: number;
    }
  | { readonly kind: 'users'; readonly digest: string; readonly users: UsersFile }
  | { readonly kind: 'text'; readonly digest: string; readonly bytes: Uint8Array };

/** One thing that is read from one file. */
interface Source {
  /** The name of a list, else that of the file. */
  readonly key: string;
  readonly file: string;
  readonly read: (report: FileReport) => Promise<Content | null>;
}

interface Loaded {
  readonly source: Source;
  readonly signature: string;
  readonly content: Content;
  /** Sentences. */
  readonly told: ReadonlySet<string>;
}

export class ForwardFileStore {
  #loaded: readonly Loaded[];
  readonly #warnings: readonly FileWarning[];
  #hooks: ForwardFileHooks | null = null;
  #watch: FileWatch | null = null;
  #current: ForwardFiles;

  private constructor(loaded: readonly Loaded[], warnings: readonly FileWarning[]) {
    this.#loaded = loaded;
    this.#warnings = warnings;
    this.#current = filesOf(loaded);
  }

  /** Reads all files. Throws SluiceError `files_invalid` with all problems. Nothing is watched before start(). */
  static async open(config: Config): Promise<ForwardFileStore> {
    const report = new FileReport();
    const loaded: Loaded[] = [];
    for (const source of sourcesOf(config)) {
      const own = new FileReport();
      const signature = await signatureOf([source.file]);
      const content = await source.read(own);
      report.problems.push(...own.problems);
      report.warnings.push(...own.warnings);
      const told = new Set(sentencesOf(own));
      if (content !== null) loaded.push({ source, signature, content, told });
    }
    if (report.problems.length > 0) throw filesError(report.problems);
    const store = new ForwardFileStore(loaded, report.warnings);
    report.warnings.push(...unknownUsers(config, store.users));
    return store;
  }

  /** What compile() needs, as of now. */
  get current(): ForwardFiles {
    return this.#current;
  }

  /** By the name of the file. */
  get users(): ReadonlyMap<string, UsersFile> {
    return new Map(
      this.#loaded.flatMap(({ source, content }) =>
        content.kind === 'users' ? [[source.file, content.users] as const] : [],
      ),
    );
  }

  /** What was found when the files were read at first. */
  get warnings(): readonly FileWarning[] {
    return this.#warnings;
  }

  get counts(): FileCounts {
    const sum = (of: (content: Content) => number): number =>
      this.#loaded.reduce((total, { content }) => total + of(content), 0);
    return {
      lists: sum(({ kind }) => (kind === 'list' ? 1 : 0)),
      entries: sum((content) => (content.kind === 'list' ? content.size : 0)),
      users: sum((content) => (content.kind === 'users' ? content.users.users.size : 0)),
    };
  }

  /** The plan with these files is in force: watch them. */
  start(hooks: ForwardFileHooks): void {
    this.#hooks = hooks;
    const { pollMs, quietMs } = hooks;
    this.#watch = watchFiles({
      files: this.#loaded.map(({ source }) => source.file),
      known: this.#loaded.map(({ signature }) => signature).join('\n'),
      onChange: () => this.#readAgain(),
      ...(pollMs === undefined ? {} : { pollMs }),
      ...(quietMs === undefined ? {} : { quietMs }),
    });
  }

  close(): void {
    this.#hooks = null;
    this.#watch?.close();
  }

  async #readAgain(): Promise<void> {
    const before = this.#loaded;
    const next: Loaded[] = [];
    for (const one of before) next.push(await this.#look(one));
    const changed = next.filter(({ content }, i) => content.digest !== before[i]?.content.digest);
    this.#put(next);
    if (changed.length === 0) return;
    const names = changed.map(({ source }) => source.key).join(', ');
    try {
      await this.#hooks?.onChange(`read again: ${names}`);
    } catch (error) {
      this.#put(next.map((one, i) => ({ ...one, content: before[i]?.content ?? one.content })));
      const why = error instanceof Error ? error.message : String(error);
      this.#hooks?.onWarning(`${names} cannot be used, the old stays in force: ${why}`);
    }
  }

  /** Reads one file again, if it is not what it was. */
  async #look(one: Loaded): Promise<Loaded> {
    const { source } = one;
    const signature = await signatureOf([source.file]);
    if (signature === one.signature) return one;
    const report = new FileReport();
    const content = await source.read(report);
    const sentences = sentencesOf(report);
    for (const sentence of sentences) {
      if (!one.told.has(sentence)) this.#hooks?.onWarning(sentence);
    }
    return { source, signature, content: content ?? one.content, told: new Set(sentences) };
  }

  #put(loaded: readonly Loaded[]): void {
    this.#loaded = loaded;
    this.#current = filesOf(loaded);
  }
}

function sourcesOf(config: Config): readonly Source[] {
  const { lists, users, texts } = forwardFilesToLoad(config);
  return [
    ...lists.map(
      ({ path, name, file, subdomains }): Source => ({
        key: name,
        file,
        read: async (report) => {
          const list = await readListFile(path, file, subdomains, report);
          if (list === null) return null;
          return { kind: 'list', digest: list.digest, list, size: list.entries };
        },
      }),
    ),
    ...users.map(
      ({ path, file }): Source => ({
        key: file,
        file,
        read: async (report) => {
          const found = await readUsersFile(path, file, report);
          return found === null ? null : { kind: 'users', digest: found.digest, users: found };
        },
      }),
    ),
    ...texts.map(
      ({ path, file }): Source => ({
        key: file,
        file,
        read: (report) => readText(path, file, report),
      }),
    ),
  ];
}

async function readText(path: string, file: string, report: FileReport): Promise<Content | null> {
  const kind = path.endsWith('.pac') ? 'pac' : 'page';
  const read = await readInputFile(file, MAX_TEXT_BYTES[kind]);
  const reason = !read.ok
    ? read.reason
    : read.bytes.length === 0
      ? 'is empty'
      : read.bytes.toString('utf8').includes('\ufffd')
        ? 'is not UTF-8 text'
        : null;
  if (read.ok && reason === null) {
    return { kind: 'text', digest: digestOf(read.bytes), bytes: new Uint8Array(read.bytes) };
  }
  const hint = read.ok ? undefined : read.hint;
  report.problem(path, 'a file of text', `${file}, which ${reason}`, hint);
  return null;
}

function filesOf(loaded: readonly Loaded[]): ForwardFiles {
  const lists = new Map<string, LoadedList>();
  const users = new Map<string, { readonly digest: string; readonly names: readonly string[] }>();
  const texts = new Map<string, Uint8Array>();
  for (const { source, content } of loaded) {
    if (content.kind === 'list') lists.set(source.key, content.list);
    else if (content.kind === 'text') texts.set(source.file, content.bytes);
    else {
      const { digest, users: own } = content.users;
      users.set(source.file, { digest, names: [...own.keys()] });
    }
  }
  return { instance: INSTANCE, lists, users, texts };
}

function sentencesOf({ problems, warnings }: FileReport): readonly string[] {
  return [
    ...problems.map(
      ({ path, expected, received }) =>
        `${path}: expected ${expected} but found ${received}; what was read before stays in force`,
    ),
    ...warnings.map(({ path, message }) => `${path}: ${message}`),
  ];
}
