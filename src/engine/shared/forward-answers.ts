// What a forward proxy answers by itself: that it wants to know who asks, why somebody may not go somewhere, and the
// script with which browsers set themselves up. Pure.
import { ERROR_CODES, type ErrorCode } from '../../contract/codes.ts';
import { assertNever } from '../../contract/ids.ts';
import { type Destination, parseDestination } from '../../plan/destination-host.ts';
import type { PagePiece, PlanForward } from '../../plan/plan.ts';
import { type Answer, documentAnswer, errorAnswer } from './answer.ts';
import type { IpPort } from './client-address.ts';

/** RFC 7617. */
export function authAnswer({ realm }: PlanForward): Answer {
  const { fields, ...rest } = errorAnswer('proxy_auth_required');
  const challenge = `Basic realm="${realm}", charset="UTF-8"`;
  return { ...rest, fields: [...fields, 'Proxy-Authenticate', challenge] };
}

export interface DenialFacts {
  readonly destination: Destination;
  readonly rule: string;
  readonly client: string;
  readonly user: string;
  readonly reason: string;
}

export function denialAnswer(code: ErrorCode, { page }: PlanForward, facts: DenialFacts): Answer {
  const html = page.map((piece) => pieceOf(piece, facts)).join('');
  const { status } = ERROR_CODES[code];
  return documentAnswer(code, status, 'text/html; charset=utf-8', Buffer.from(html));
}

function pieceOf({ part, text }: PagePiece, facts: DenialFacts): string {
  switch (part) {
    case 'literal':
      return text;
    case 'host':
      return escapeHtml(facts.destination.host);
    case 'port':
      return String(facts.destination.port);
    case 'rule':
    case 'client':
    case 'user':
    case 'reason':
      return escapeHtml(facts[part]);
    default:
      return assertNever(part);
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');
}

export interface PacFacts {
  /** What the client calls us, by Host. */
  readonly authority: string;
  /** Where it came to; null on a unix socket. */
  readonly cameTo: IpPort | null;
  readonly isSecure: boolean;
}

/** `script`: empty for one that sends everything here. */
export function pacAnswer(script: Uint8Array, facts: PacFacts): Answer {
  const body = script.length > 0 ? script : Buffer.from(madeScript(facts));
  return documentAnswer('none', 200, 'application/x-ns-proxy-autoconfig', body);
}

function madeScript({ authority, cameTo, isSecure }: PacFacts): string {
  // Only what is a host and a port: other characters mean something in such a script.
  const called = parseDestination(authority, isSecure ? 443 : 80);
  const { host, port } = called ?? cameTo ?? { host: 'localhost', port: 80 };
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const way = `${isSecure ? 'HTTPS' : 'PROXY'} ${where}`;
  return `function FindProxyForURL(url, host) { return "${way}"; }\n`;
}
