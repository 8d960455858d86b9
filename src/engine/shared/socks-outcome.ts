// What a client that speaks SOCKS is told of a failure: versions 5 and 4 have a code each where we have a name. The same
// in C++ is native/socks/outcome. Pure.
import type { ErrorCode } from '../../contract/codes.ts';
import { SOCKS_REPLIES, SOCKS4_REPLIES } from './socks-messages.ts';

export function socksReplyOf(code: ErrorCode): number {
  switch (code) {
    case 'none':
      return SOCKS_REPLIES.succeeded;
    case 'destination_denied':
    case 'destination_forbidden':
    case 'user_limit':
    case 'user_quota':
      return SOCKS_REPLIES.denied;
    case 'connect_unreachable':
      return SOCKS_REPLIES.networkUnreachable;
    case 'connect_timeout':
    case 'name_not_found':
    case 'name_timeout':
      return SOCKS_REPLIES.hostUnreachable;
    case 'connect_refused':
      return SOCKS_REPLIES.refused;
    default:
      return SOCKS_REPLIES.failed;
  }
}

export function socks4ReplyOf(code: ErrorCode): number {
  if (code === 'none') return SOCKS4_REPLIES.granted;
  return code === 'proxy_auth_required' ? SOCKS4_REPLIES.unidentified : SOCKS4_REPLIES.rejected;
}
