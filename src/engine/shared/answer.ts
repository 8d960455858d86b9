// Answers that are made here: errors, fixed answers and redirects. Pure but for the date.
import { STATUS_CODES } from 'node:http';
import { ERROR_CODES, type ErrorCode } from '../../contract/codes.ts';
import { assertNever } from '../../contract/ids.ts';
import { normalizeHost, rewritePath } from '../../plan/match.ts';
import type { LocationPart, PlanRoute, RouteAction } from '../../plan/plan.ts';
import { applyEdits, editedAway } from './field-rules.ts';
import type { RequestHead } from './request-head.ts';
import { headBytes } from './response-head.ts';

export interface Answer {
  readonly status: number;
  readonly fields: readonly string[];
  readonly body: Uint8Array;
}

const PLAIN_TEXT = 'text/plain; charset=utf-8';

export function errorAnswer(code: ErrorCode): Answer {
  const { status } = ERROR_CODES[code];
  return documentAnswer(code, status, PLAIN_TEXT, statusText(status));
}

/** `code`: why there is nothing else; none where it is what was asked for. */
export function documentAnswer(
  code: ErrorCode,
  status: number,
  contentType: string,
  body: Uint8Array,
): Answer {
  const { proxyStatus } = ERROR_CODES[code];
  const fields = [
    ...['Date', dateNow(), 'Content-Type', contentType, 'Content-Length', String(body.length)],
    ...['Proxy-Status', code === 'none' ? 'sluice' : `sluice; error=${proxyStatus}`],
  ];
  return { status, fields, body };
}

/** The same for a connection that has no response to write it to; it says that it closes. */
export function errorBytes(code: ErrorCode): Buffer {
  const { status, fields, body } = errorAnswer(code);
  const head = headBytes(status, '', [...fields, 'Connection', 'close']);
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

type FixedAction = Extract<RouteAction, { readonly kind: 'respond' | 'redirect' }>;

export function fixedAnswer(
  route: PlanRoute,
  action: FixedAction,
  head: RequestHead,
  scheme: 'http' | 'https',
): Answer {
  const edited = editedAway(route.responseEdits);
  const made = action.kind === 'respond' ? respond(action) : redirect(action, route, head, scheme);
  const fields: string[] = [];
  for (let i = 0; i + 1 < made.fields.length; i += 2) {
    const name = made.fields[i] ?? '';
    if (!edited.has(name.toLowerCase())) fields.push(name, made.fields[i + 1] ?? '');
  }
  if (mayHaveBody(made.status)) fields.push('Content-Length', String(made.body.length));
  applyEdits(fields, route.responseEdits);
  return { ...made, fields };
}

function respond({ status, headers, body }: FixedAction & { readonly kind: 'respond' }): Answer {
  const own = new Set(headers.map(({ name }) => name.toLowerCase()));
  const hasBody = mayHaveBody(status);
  const fields: string[] = [];
  if (!own.has('date')) fields.push('Date', dateNow());
  if (hasBody && body.length > 0 && !own.has('content-type')) {
    fields.push('Content-Type', PLAIN_TEXT);
  }
  for (const { name, value } of headers) fields.push(name, value);
  fields.push('Proxy-Status', 'sluice');
  return { status, fields, body: hasBody ? body : new Uint8Array(0) };
}

function redirect(
  { status, location }: FixedAction & { readonly kind: 'redirect' },
  route: PlanRoute,
  head: RequestHead,
  scheme: string,
): Answer {
  const to = location.map((part) => locationPart(part, route, head, scheme)).join('');
  const fields = [
    ...['Date', dateNow(), 'Location', to, 'Content-Type', PLAIN_TEXT],
    ...['Proxy-Status', 'sluice'],
  ];
  return { status, fields, body: statusText(status) };
}

function locationPart(
  { part, text }: LocationPart,
  route: PlanRoute,
  head: RequestHead,
  scheme: string,
): string {
  switch (part) {
    case 'literal':
      return text;
    case 'scheme':
      return scheme;
    case 'host':
      return head.authority;
    case 'hostname':
      return normalizeHost(head.authority);
    case 'path':
      return rewritePath(route, head.path);
    case 'query':
      return head.query;
    default:
      return assertNever(part);
  }
}

export function mayHaveBody(status: number): boolean {
  return status !== 204 && status !== 304;
}

function statusText(status: number): Buffer {
  return Buffer.from(`${status} ${STATUS_CODES[status] ?? ''}\n`);
}

function dateNow(): string {
  return new Date().toUTCString();
}
