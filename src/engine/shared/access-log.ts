// Access logs: JSON lines through a bounded queue to a file or to stdout. The queue is written in one piece while
// the next one fills; when the disk is slower than the traffic, records are dropped and counted, nothing waits.
// AccessLogs owns the logs of one engine: apply() opens them, close() closes them. Main thread.
import fs from 'node:fs';
import { SluiceError } from '../../contract/errors.ts';
import type { Plan } from '../../plan/plan.ts';
import type { EntityStats } from './entity-stats.ts';
import { errnoOf } from './faults.ts';

/** Characters that may wait for the disk. */
const QUEUE_LIMIT = 4 * 1024 * 1024;
const STDOUT = '-';

export type LogRecord = Readonly<Record<string, string | number | null>>;

/** Somewhere to write to. One write at a time. */
interface Sink {
  write(text: string, done: (error?: Error | null) => void): void;
  close(): void;
}

/** One path's log. It outlives plans: flows that began under an older plan go on writing to it. */
export class AccessLog {
  #sink: Sink;
  #queue: string[] = [];
  #queued = 0;
  /** Who counts each record of the queue, should it be lost. */
  #counters: EntityStats[] = [];
  #isWriting = false;
  #onIdle: (() => void)[] = [];

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** `stats` is the listener's, which counts the record if it has to be dropped. */
  write(record: LogRecord, stats: EntityStats): void {
    const line = `${JSON.stringify(record)}\n`;
    if (this.#queued + line.length > QUEUE_LIMIT) {
      stats.add('log_dropped');
      return;
    }
    this.#queue.push(line);
    this.#counters.push(stats);
    this.#queued += line.length;
    if (!this.#isWriting) this.#flush();
  }

  /** Goes on writing to `sink`; what was handed to the old one still gets there. */
  async use(sink: Sink): Promise<void> {
    const old = this.#sink;
    this.#sink = sink;
    await this.#written();
    old.close();
  }

  async close(): Promise<void> {
    await this.#written();
    this.#sink.close();
  }

  async #written(): Promise<void> {
    if (this.#isWriting) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #flush(): void {
    this.#isWriting = true;
    // Records of one turn of the event loop leave in one write.
    setImmediate(() => {
      const text = this.#queue.join('');
      const counters = this.#counters;
      this.#queue = [];
      this.#counters = [];
      this.#queued = 0;
      this.#sink.write(text, (error) => {
        if (error) for (const stats of counters) stats.add('log_dropped');
        if (this.#queue.length > 0) {
          this.#flush();
          return;
        }
        this.#isWriting = false;
        for (const resolve of this.#onIdle.splice(0)) resolve();
      });
    });
  }
}

/** Logs that were opened for a plan and wait for the rest of it to succeed. */
export interface PreparedLogs {
  of(path: string): AccessLog | null;
  commit(): void;
  abort(): void;
}

/** The logs of one engine, by path. */
export class AccessLogs {
  #logs = new Map<string, AccessLog>();

  /**
   * Opens every log of `plan` anew, so that a renamed file is let go; throws `log_unwritable` with nothing
   * changed. What was opened is taken into use by commit() or given up by abort().
   */
  prepare(plan: Plan): PreparedLogs {
    const sinks = new Map<string, Sink>();
    const abort = (): void => {
      for (const sink of sinks.values()) sink.close();
    };
    for (const { name, accessLog } of plan.listeners) {
      if (accessLog === null || sinks.has(accessLog)) continue;
      try {
        sinks.set(accessLog, accessLog === STDOUT ? stdoutSink() : fileSink(accessLog));
      } catch (error) {
        abort();
        throw unwritable(name, accessLog, error);
      }
    }
    const logs = new Map<string, AccessLog>();
    for (const [path, sink] of sinks) logs.set(path, this.#logs.get(path) ?? new AccessLog(sink));
    return { of: (path) => logs.get(path) ?? null, commit: () => this.#commit(logs, sinks), abort };
  }

  async close(): Promise<void> {
    const logs = [...this.#logs.values()];
    this.#logs.clear();
    await Promise.all(logs.map((log) => log.close()));
  }

  #commit(logs: Map<string, AccessLog>, sinks: ReadonlyMap<string, Sink>): void {
    for (const [path, log] of this.#logs) {
      // Flows of older plans may still write to a log that is no longer named; no file is held open for them.
      const sink = sinks.get(path) ?? (path === STDOUT ? stdoutSink() : unheldSink(path));
      void log.use(sink);
    }
    this.#logs = logs;
  }
}

function fileSink(path: string): Sink {
  const fd = fs.openSync(path, 'a');
  const writeAll = (bytes: Buffer, done: (error?: Error | null) => void): void => {
    fs.write(fd, bytes, (error, written) => {
      if (error || written >= bytes.length) done(error);
      else writeAll(bytes.subarray(written), done);
    });
  };
  return {
    write: (text, done) => writeAll(Buffer.from(text), done),
    close: () => fs.close(fd, ignore),
  };
}

function unheldSink(path: string): Sink {
  return { write: (text, done) => fs.appendFile(path, text, done), close: ignore };
}

function stdoutSink(): Sink {
  // A reader of our output that goes away must not end the process.
  const onError = (): void => {};
  process.stdout.on('error', onError);
  return {
    write: (text, done) => process.stdout.write(text, done),
    close: () => void process.stdout.off('error', onError),
  };
}

function ignore(): void {}

function unwritable(listener: string, path: string, error: unknown): SluiceError {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'its folder does not exist; create it',
    EACCES: 'permission denied; let this user write there or choose another path',
    EISDIR: 'it is a folder; name a file in it',
    EROFS: 'the file system is read-only; choose another path',
  };
  const fallback = error instanceof Error ? error.message : String(error);
  const reason = reasons[errnoOf(error)] ?? fallback;
  return new SluiceError(
    'log_unwritable',
    `listener ${listener}: cannot write the access log ${path}: ${reason}`,
    { cause: error },
  );
}
