// What node's HTTP parser and its timers report about a client, in the contract's words. Pure.
import type { ErrorCode } from '../../contract/codes.ts';
import type { PlanLimits } from '../../plan/plan.ts';
import { errnoOf } from '../shared/faults.ts';

interface ParserError extends Error {
  readonly rawPacket?: Buffer;
}

/** `ignored` says that nobody is owed an answer. */
export function parseFault(error: Error, limits: PlanLimits): ErrorCode | 'ignored' {
  const code = errnoOf(error);
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'request_timeout';
    case 'HPE_HEADER_OVERFLOW':
      return isTargetTooLong(error, limits) ? 'request_target_too_long' : 'request_head_too_large';
    case 'HPE_INVALID_EOF_STATE':
      return 'client_aborted';
    // Bytes after a request that said close.
    case 'HPE_CLOSED_CONNECTION':
      return 'ignored';
    default:
      return code.startsWith('HPE_') ? 'request_malformed' : 'ignored';
  }
}

/** Looks at the request line where it came in one piece with the rest. */
function isTargetTooLong({ rawPacket }: ParserError, { targetBytes }: PlanLimits): boolean {
  const text = rawPacket?.toString('latin1') ?? '';
  const target = /^[A-Z-]{1,32} ([^ \r\n]*)/.exec(text)?.[1] ?? '';
  return target.length > targetBytes;
}
