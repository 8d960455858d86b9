// What the blocks `forward` and `reply` of a wire case say, and whether a run bears them out.
import assert from 'node:assert/strict';
import { within } from '../support/deadline.ts';
import type { HttpClient } from '../support/http-client.ts';
import type { TargetRequest } from '../support/http-target.ts';
import { fieldValue, fieldValues, type StrictResponse } from '../support/strict-http.ts';
import { blockBytes, linesOf } from './read-cases.ts';

/** One request that the target must get. */
interface ForwardedRequest {
  readonly method: string;
  readonly target: string;
  readonly body: string;
  /** Fields with all their values joined, null for a field that must be missing. */
  readonly fields: readonly { readonly name: string; readonly value: string | null }[];
  readonly trailers: readonly string[] | undefined;
}

export interface Forward {
  /** Requests that may have been begun at the target but must never be completed there. */
  readonly mayBegin: boolean;
  readonly requests: readonly ForwardedRequest[];
}

/**
 * A line a request, `POST /path`, followed by lines about it: `+Name: value` it has, `-Name` it lacks, `=body`,
 * `~Name: value` its only trailers. `nothing` and `partial` stand alone.
 */
export function readForward(text: string): Forward {
  const requests: ForwardedRequest[] = [];
  let mayBegin = false;
  for (const line of linesOf(text)) {
    const rest = blockBytes(line.slice(1)).toString('latin1');
    const last = requests.at(-1);
    const [name = '', value = ''] = rest.split(/: ?(.*)/s);
    if (line === 'nothing') continue;
    if (line === 'partial') mayBegin = true;
    else if (line.startsWith('+'))
      requests.push({ ...requests.pop()!, fields: [...last!.fields, { name, value }] });
    else if (line.startsWith('-'))
      requests.push({ ...requests.pop()!, fields: [...last!.fields, { name, value: null }] });
    else if (line.startsWith('=')) requests.push({ ...requests.pop()!, body: rest });
    else if (line.startsWith('~'))
      requests.push({ ...requests.pop()!, trailers: [...(last!.trailers ?? []), rest] });
    else {
      const [method = '', target = ''] = blockBytes(line).toString('latin1').split(' ');
      requests.push({ method, target, body: '', fields: [], trailers: undefined });
    }
  }
  return { mayBegin, requests };
}

/** Every request must have come once for each replay, and nothing else. */
export function assertForwarded(
  seen: readonly TargetRequest[],
  forward: Forward,
  replays: number,
): void {
  const left = [...seen];
  for (const wanted of forward.requests) {
    for (let i = 0; i < replays; i++) {
      const index = left.findIndex((r) => isSame(r, wanted));
      assert.ok(
        index >= 0,
        `the target got ${describe(seen)} and not ${replays} × ${JSON.stringify(wanted)}`,
      );
      left.splice(index, 1);
    }
  }
  assert.equal(left.length, 0, `the target got more than it should have: ${describe(left)}`);
}

function isSame(request: TargetRequest, wanted: ForwardedRequest): boolean {
  const hasFields = wanted.fields.every(({ name, value }) => {
    const values = fieldValues(request.fields, name);
    return value === null ? values.length === 0 : values.join(', ') === value;
  });
  const trailers = request.trailers.map((t) => `${t.name}: ${t.value}`);
  return (
    hasFields &&
    request.method === wanted.method &&
    request.target === wanted.target &&
    request.body.toString('latin1') === wanted.body &&
    (wanted.trailers === undefined || wanted.trailers.join('\n') === trailers.join('\n'))
  );
}

function describe(requests: readonly TargetRequest[]): string {
  const shown = requests
    .slice(0, 3)
    .map((r) => `${r.method} ${r.target} ${JSON.stringify(r.fields)} ${r.body}`);
  return `${requests.length} requests (${shown.join(' | ')})`;
}

interface ReplyLine {
  /** Any of these; 0 stands for no answer at all. */
  readonly statuses: readonly number[];
  readonly body: string | undefined;
  /** The message breaks off; `body` is how far it got. */
  readonly isTruncated: boolean;
  readonly isInterim: boolean;
}

export interface Reply {
  readonly lines: readonly ReplyLine[];
  readonly end: 'close' | 'open' | 'any';
}

/** Lines such as `200`, `400 close`, `400|silence close`, `200 =body`, `200 truncated`; `interim` is up to 16 of 1xx. */
export function readReply(text: string): Reply {
  let end: Reply['end'] = 'any';
  const lines: ReplyLine[] = [];
  for (const line of linesOf(text)) {
    const [, statuses = '', truncated, state, body] =
      /^(\S+)( truncated)?( close| open)?(?: =(.*))?$/.exec(line) ?? [];
    if (statuses === '') throw new Error(`reply line ${line}`);
    if (state !== undefined) end = state.trim() as Reply['end'];
    lines.push({
      statuses: statuses.split('|').map((s) => (/^\d/.test(s) ? Number(s) : 0)),
      body: body === undefined ? undefined : blockBytes(body).toString('latin1'),
      isTruncated: truncated !== undefined,
      isInterim: statuses === 'interim',
    });
  }
  return { lines, end };
}

/** Reads the replies; `methods` are those of the requests, in order. */
export async function assertReplied(
  client: HttpClient,
  reply: Reply,
  methods: readonly string[],
): Promise<void> {
  let turn = 0;
  let answer: StrictResponse | undefined;
  for (const line of reply.lines) {
    const isSilenceFine = line.statuses.includes(0);
    if (line.isTruncated) {
      await assertTruncated(client, line);
      return;
    }
    if (line.isInterim) {
      answer = await skipInterim(client);
      continue;
    }
    if (isSilenceFine && (await isSilent(client))) return;
    answer ??= await client.any(methods[turn] ?? 'GET');
    assert.ok(
      line.statuses.includes(answer.status),
      `${answer.status} instead of ${line.statuses}`,
    );
    if (line.body !== undefined) assert.equal(answer.body.toString('latin1'), line.body);
    if (answer.status >= 200) turn++;
    const isLast = line === reply.lines.at(-1);
    if (isLast && reply.end === 'close' && answer.status >= 400) {
      const connection = fieldValue(answer.fields, 'connection');
      assert.equal(connection?.toLowerCase(), 'close', 'it must say that it closes');
    }
    answer = undefined;
  }
  if (reply.end === 'close') {
    await within(client.closed, 'the close');
    assert.equal(client.rest.toString('latin1'), '', 'nothing may follow');
  } else if (reply.end === 'open') {
    assert.equal((await client.get('/after')).status, 200, 'the connection must be usable');
  }
}

/** Reads interim responses, sixteen at most, and the one behind them. */
async function skipInterim(client: HttpClient): Promise<StrictResponse> {
  for (let count = 0; ; count++) {
    const answer = await client.any();
    if (answer.status >= 200) return answer;
    assert.ok(count < 16, 'more than 16 interim responses');
  }
}

/** Resolves once something came or the connection closed without a word. */
function isSilent(client: HttpClient): Promise<boolean> {
  return client.connection.until('an answer or a close', (bytes, hasEnded) => {
    if (bytes.length > 0) return false;
    return hasEnded ? true : undefined;
  });
}

async function assertTruncated(client: HttpClient, line: ReplyLine): Promise<void> {
  const text = await client.connection.until('a 502 or the close', (bytes, hasEnded) => {
    const head = bytes.toString('latin1', 0, 12);
    return hasEnded || head === 'HTTP/1.1 502' ? head : undefined;
  });
  if (text === 'HTTP/1.1 502') {
    assert.equal((await client.response()).status, 502);
    return;
  }
  assert.equal(text, `HTTP/1.1 ${line.statuses[0]}`);
  await assert.rejects(client.any('GET', 1000), 'the client cannot see that it is not whole');
  await within(client.closed, 'the close');
}
