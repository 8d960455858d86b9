// The names that the contract has for what node:net reports. Pure.
import { ERROR_CODES, type ErrorCode } from '../../contract/codes.ts';

/** A system error's name, or '' for an error that has none. */
export function errnoOf(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : '';
}

/** A failure that has its name already, on its way through node:http. */
export class NamedFault extends Error {
  readonly fault: ErrorCode;

  constructor(fault: ErrorCode) {
    super(fault);
    this.fault = fault;
  }
}

/** Why no connection to a target came about. */
export function connectFault(error: unknown): ErrorCode {
  if (error instanceof NamedFault) return error.fault;
  switch (errnoOf(error)) {
    case 'ECONNREFUSED':
      return 'connect_refused';
    case 'ETIMEDOUT':
      return 'connect_timeout';
    case 'ENETUNREACH':
    case 'EHOSTUNREACH':
    case 'ENETDOWN':
    case 'EHOSTDOWN':
      return 'connect_unreachable';
    default:
      return exhaustionFault(error) ?? 'connect_failed';
  }
}

/** What this process or machine has run out of, or null when the error says nothing of the kind. */
export function exhaustionFault(error: unknown): ErrorCode | null {
  switch (errnoOf(error)) {
    case 'EMFILE':
    case 'ENFILE':
      return 'out_of_descriptors';
    case 'ENOMEM':
    case 'ENOBUFS':
      return 'out_of_memory';
    case 'EADDRNOTAVAIL':
    case 'EADDRINUSE':
    case 'EAGAIN':
      return 'out_of_ports';
    default:
      return null;
  }
}

/** Errors of clients that were understood all the same. */
const UNDERSTOOD: ReadonlySet<ErrorCode> = new Set([
  'no_route',
  'proxy_auth_required',
  'destination_denied',
  'destination_forbidden',
  'user_limit',
  'user_quota',
  'proxy_loop',
]);

/** After a request that was not understood nobody knows where the next one begins. */
export function endsConnection(code: ErrorCode): boolean {
  return ERROR_CODES[code].side === 'client' && !UNDERSTOOD.has(code);
}
