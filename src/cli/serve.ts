// Runs a started proxy until a signal ends it. Signals: SIGINT and SIGTERM drain, the second time they cut; SIGHUP
// reads the file again; SIGUSR1 prints the statistics.
import type { Logger } from 'pino';
import { SluiceError } from '../contract/errors.ts';
import { formatStats } from '../observe/stats-table.ts';
import type { SluiceProxy } from '../proxy.ts';

export interface ServeOptions {
  readonly proxy: SluiceProxy;
  readonly log: Logger;
  /** What SIGHUP reads. */
  readonly file: string;
}

/** Under npm one Ctrl-C arrives twice: from the terminal, and passed on by npm. */
const ECHO_MS = 250;

/** Resolves when the proxy is closed. */
export async function serve({ proxy, log, file }: ServeOptions): Promise<void> {
  // The control plane failing is no reason to stop moving bytes.
  const onFault = (error: unknown): void => log.error({ err: error }, 'a bug; traffic goes on');
  process.on('uncaughtException', onFault);
  process.on('unhandledRejection', onFault);

  // A listener of one's own takes SIGUSR1 from the inspector.
  process.on('SIGUSR1', () => process.stderr.write(formatStats(proxy.stats())));
  process.on('SIGHUP', () => {
    log.info({ file }, 'reloading');
    proxy.reload(file).catch((error: unknown) => logReloadFailure(log, file, error));
  });

  const closed = new Promise<void>((resolve) => {
    proxy.once('close', resolve);
  });
  let signals = 0;
  let last = { signal: '', atMs: 0 };
  const onStop = (signal: NodeJS.Signals): void => {
    const atMs = performance.now();
    const isEcho = signal === last.signal && atMs - last.atMs < ECHO_MS;
    last = { signal, atMs };
    if (isEcho) return;
    signals++;
    if (signals > 2) process.exit(1);
    const isFirst = signals === 1;
    log.info({ signal }, isFirst ? 'draining; the same again to stop at once' : 'stopping at once');
    proxy.close(isFirst ? {} : { graceMs: 0 }).catch(onFault);
  };
  process.on('SIGINT', onStop);
  process.on('SIGTERM', onStop);
  await closed;
}

function logReloadFailure(log: Logger, file: string, error: unknown): void {
  if (!(error instanceof SluiceError)) {
    log.error({ err: error, file }, 'reload failed by a bug; the old configuration stays in force');
    return;
  }
  const { code, problems, message } = error;
  log.error(
    { code, file, ...(problems.length > 0 ? { problems } : {}) },
    `reload refused, the old configuration stays in force: ${message}`,
  );
}
