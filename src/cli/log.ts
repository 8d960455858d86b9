// The log of a running command: standard error, so that an access log on standard output stays clean. Readable on a
// terminal, JSON lines otherwise.
import { destination, type Logger, pino } from 'pino';

/** Writes synchronously: a line that was logged is out even when the process ends right after. */
export async function createLog(): Promise<Logger> {
  const base = {
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (level: string) => ({ level }) },
  };
  // A reader that goes away must not take the proxy with it.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  if (!process.stderr.isTTY) return pino(base, quiet(destination({ dest: 2, sync: true })));
  // A stream, not a pino transport: that would be one more thread.
  const { prettyFactory } = await import('pino-pretty');
  const format = prettyFactory({ colorize: true, singleLine: true, translateTime: 'HH:MM:ss' });
  return pino(base, { write: (line: string) => process.stderr.write(format(line)) });
}

function quiet<T extends NodeJS.EventEmitter>(stream: T): T {
  stream.on('error', () => {});
  return stream;
}
