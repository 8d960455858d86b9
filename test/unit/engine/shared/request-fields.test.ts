import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestFields } from '../../../../src/engine/shared/request-fields.ts';
import type { PlanListener, PlanRoute } from '../../../../src/plan/plan.ts';
import { type HeadParts, headOf, listenerWith, routeWith, TARGET } from './heads.ts';

interface Setting {
  readonly mode?: PlanListener['forwarded'];
  readonly isTrusted?: boolean;
  readonly route?: Partial<PlanRoute>;
  readonly clientHost?: string;
}

/** The fields that leave, as lines. */
function leaving(parts: HeadParts, setting: Setting = {}): string[] {
  const { mode = 'off', isTrusted = false, route = {}, clientHost = '1.2.3.4' } = setting;
  const fields = requestFields(headOf(parts), {
    listener: listenerWith(mode, isTrusted),
    route: routeWith(route),
    target: TARGET,
    clientHost,
    facts: null,
  });
  const lines: string[] = [];
  for (let i = 0; i < fields.length; i += 2) lines.push(`${fields[i]}: ${fields[i + 1]}`);
  return lines;
}

const CLAIMS = [
  ...['Host', 'site:81', 'X-Forwarded-For', '9.9.9.9', 'X-Forwarded-Proto', 'https'],
  ...['X-Real-IP', '9.9.9.9', 'Forwarded', 'for="[::9]"', 'X-Forwarded-Port', '443'],
];

test('hop-by-hop fields, twins and httpoxy end here', () => {
  const fields = [
    ...['Host', 'a', 'Connection', 'X-Gone', 'X-Gone', '1', 'Keep-Alive', '5', 'Proxy', 'http://x'],
    ...['Proxy-Authorization', 'Basic', 'Trailer', 'X', 'X_Forwarded_For', '6', 'X-Kept', 'yes'],
    ...['Content_Length', '9', 'HTTP2-Settings', 'AA', 'X_Own', 'kept'],
  ];
  assert.deepEqual(leaving({ fields }), ['Host: a', 'X-Kept: yes', 'X_Own: kept']);
});

test("forwarded: replace says what is true and nothing of the client's", () => {
  assert.deepEqual(leaving({ fields: CLAIMS }, { mode: 'replace' }), [
    'Host: site:81',
    'X-Forwarded-For: 1.2.3.4',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Host: site:81',
    'X-Real-IP: 1.2.3.4',
    'Forwarded: for=1.2.3.4;host="site:81";proto=http',
  ]);
});

test('a trusted proxy is believed and continued', () => {
  const lines = leaving({ fields: CLAIMS }, { mode: 'replace', isTrusted: true });
  assert.deepEqual(lines.toSorted(), [
    'Forwarded: for="[::9]", for=1.2.3.4;host="site:81";proto=http',
    'Host: site:81',
    'X-Forwarded-For: 9.9.9.9, 1.2.3.4',
    'X-Forwarded-Host: site:81',
    'X-Forwarded-Port: 443',
    'X-Forwarded-Proto: https',
    'X-Real-IP: 9.9.9.9',
  ]);
});

test('forwarded: off leaves no trace', () => {
  assert.deepEqual(leaving({ fields: CLAIMS }), ['Host: site:81']);
});

test('a client on a unix socket has no address to tell', () => {
  const lines = leaving({ version: '1.0', fields: [] }, { mode: 'replace', clientHost: '' });
  assert.deepEqual(lines, [
    'Host: target.example',
    'X-Forwarded-For: unknown',
    'X-Forwarded-Proto: http',
    'Forwarded: for=unknown;proto=http',
  ]);
});

test("Host is the client's, the target's or the one that is written", () => {
  const host = (hostHeader: PlanRoute['hostHeader']) => leaving({}, { route: { hostHeader } })[0];
  assert.equal(host({ kind: 'client' }), 'Host: a');
  assert.equal(host({ kind: 'target' }), 'Host: target.example');
  assert.equal(host({ kind: 'literal', value: 'b:1' }), 'Host: b:1');
});

test('edits come last: set and remove take away, set and add put in, in order', () => {
  const requestEdits = [
    { op: 'set', name: 'X-A', value: '1' },
    { op: 'add', name: 'X-A', value: '2' },
    { op: 'add', name: 'X-B', value: '3' },
    { op: 'remove', name: 'X-C', value: '' },
    { op: 'set', name: 'X-Forwarded-Proto', value: 'https' },
    { op: 'add', name: 'X-D', value: 'lost' },
    { op: 'remove', name: 'x-d', value: '' },
  ] as const;
  const fields = ['Host', 'a', 'x-a', '0', 'X-B', '0', 'X-C', '0', 'X-D', '0'];
  const lines = leaving({ fields }, { mode: 'replace', route: { requestEdits } });
  assert.deepEqual(
    lines.filter((line) => /^x-(?:.:|forwarded-proto)/i.test(line)),
    ['X-B: 0', 'X-A: 1', 'X-A: 2', 'X-B: 3', 'X-Forwarded-Proto: https'],
  );
});

test('the body is framed by one canonical field', () => {
  const framing = (parts: HeadParts) =>
    leaving(parts).filter((line) => /^(?:content-length|transfer-encoding)/i.test(line));
  assert.deepEqual(framing({}), []);
  assert.deepEqual(framing({ method: 'POST' }), ['Content-Length: 0']);
  assert.deepEqual(framing({ fields: ['Host', 'a', 'content-length', '007'] }), [
    'Content-Length: 7',
  ]);
  assert.deepEqual(framing({ fields: ['Host', 'a', 'transfer-encoding', 'Chunked'] }), [
    'Transfer-Encoding: chunked',
  ]);
});

test('an upgrade is asked for hop by hop, and trailers are', () => {
  const upgrade = ['Host', 'a', 'Connection', 'upgrade', 'Upgrade', 'foo'];
  assert.deepEqual(leaving({ fields: upgrade }).slice(1), ['Connection: upgrade', 'Upgrade: foo']);
  const trailers = ['Host', 'a', 'TE', 'gzip, trailers'];
  assert.deepEqual(leaving({ fields: trailers }).slice(1), ['Connection: TE', 'TE: trailers']);
});
