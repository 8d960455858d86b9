// What goes wrong between us and an ACME directory, in one line that can be shown to anybody: of what the directory
// says nothing but its type and its sentence is kept.

const MAX_DETAIL = 400;

export interface AcmeErrorFacts {
  /** `urn:ietf:params:acme:error:rateLimited` -> `rateLimited`; empty when the directory gave none. */
  readonly type?: string;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

export class AcmeError extends Error {
  readonly type: string;
  readonly retryAfterMs: number;

  constructor(message: string, { type = '', retryAfterMs = 0, cause }: AcmeErrorFacts = {}) {
    super(message, cause === undefined ? {} : { cause });
    this.name = 'AcmeError';
    this.type = type;
    this.retryAfterMs = retryAfterMs;
  }
}

/** RFC 7807, as RFC 8555 uses it. */
export interface AcmeProblem {
  readonly type: string;
  readonly detail: string;
}

const PREFIX = 'urn:ietf:params:acme:error:';

export function readProblem(data: unknown): AcmeProblem {
  const { type, detail, subproblems } = asRecord(data);
  const below = Array.isArray(subproblems) ? subproblems.map((one) => readProblem(one).detail) : [];
  const details = [typeof detail === 'string' ? detail : '', ...below].filter((one) => one !== '');
  return {
    type: typeof type === 'string' && type.startsWith(PREFIX) ? type.slice(PREFIX.length) : '',
    detail: plain(details.join('; ')),
  };
}

export function wordProblem({ type, detail }: AcmeProblem): string {
  if (detail === '') return type === '' ? 'no reason given' : type;
  return type === '' ? detail : `${detail} (${type})`;
}

/** One line without control characters, of bounded length: it came over the network. */
function plain(text: string): string {
  const line = text.replaceAll(/[^\P{C}]+/gu, ' ').trim();
  return line.length > MAX_DETAIL ? `${line.slice(0, MAX_DETAIL)}…` : line;
}

export function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
