// What the control plane says to whoever runs it. The data plane never logs: it counts.

/** Any pino logger is one. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** For programs that embed the proxy and listen to its events instead. */
export const SILENT: Logger = { info() {}, warn() {}, error() {} };
