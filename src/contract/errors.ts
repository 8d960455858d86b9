// The one error class of the public API. Every failure that a caller can meet carries a stable `code`.

export type SluiceErrorCode =
  | 'config_invalid'
  | 'config_unreadable'
  | 'credentials_invalid'
  | 'files_invalid'
  | 'engine_unavailable'
  | 'engine_unsupported'
  | 'listen_failed'
  | 'resolve_failed'
  | 'log_unwritable'
  | 'plan_rejected'
  | 'state_invalid'
  | 'storage_unusable';

/** One thing that is wrong with a configuration. */
export interface Problem {
  /** Where, as written: `listeners.web.routes[2].pool`. */
  readonly path: string;
  /** What would have been right. */
  readonly expected: string;
  /** What was there (secrets masked). */
  readonly received: string;
  /** What to do about it, where that is not plain from the rest. */
  readonly hint?: string;
}

export class SluiceError extends Error {
  readonly code: SluiceErrorCode;
  readonly problems: readonly Problem[];

  constructor(
    code: SluiceErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly problems?: readonly Problem[] } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'SluiceError';
    this.code = code;
    this.problems = options.problems ?? [];
  }
}
