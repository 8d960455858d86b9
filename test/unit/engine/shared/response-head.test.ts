import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  interimBytes,
  readResponseHead,
  responseFields,
} from '../../../../src/engine/shared/response-head.ts';
import { responseOf } from './heads.ts';

function read(status: number, fields: readonly string[], version = '1.1', method = 'GET') {
  return readResponseHead(responseOf(status, fields, version), method);
}

function codeOf(...args: Parameters<typeof read>): string {
  const outcome = read(...args);
  return 'code' in outcome ? outcome.code : 'accepted';
}

test('what another reader could take for something else is malformed', () => {
  for (const [status, fields, version] of [
    [99, [], '1.1'],
    [600, [], '1.1'],
    [200, [], '2.0'],
    [200, ['Content-Length', '1', 'Content-Length', '1'], '1.1'],
    [200, ['Content-Length', '-1'], '1.1'],
    [200, ['Content-Length', '1', 'Transfer-Encoding', 'chunked'], '1.1'],
    [200, ['Transfer-Encoding', 'gzip, chunked'], '1.1'],
    [200, ['Transfer-Encoding', 'foo'], '1.1'],
    [200, ['Transfer-Encoding', 'chunked'], '1.0'],
    [200, ['Connection', 'content-length'], '1.1'],
    [304, ['Content-Length', 'x'], '1.1'],
  ] as const) {
    assert.equal(codeOf(status, fields, version), 'response_malformed', `${status} ${fields}`);
  }
});

test('more fields than anybody needs are too many', () => {
  const fields = (count: number) => Array.from({ length: count * 2 }, () => 'x');
  assert.equal(codeOf(200, fields(256)), 'accepted');
  assert.equal(codeOf(200, fields(257)), 'response_head_too_large');
});

test('HEAD, 204 and 304 have no body whatever their fields say', () => {
  const hasBody = (status: number, method = 'GET') => {
    const outcome = read(status, ['Content-Length', '5'], '1.1', method);
    assert.ok('head' in outcome);
    return outcome.head.hasBody;
  };
  assert.deepEqual([hasBody(200), hasBody(204), hasBody(304)], [true, false, false]);
  assert.equal(hasBody(200, 'HEAD'), false);
});

test('the client gets neither hop-by-hop fields nor framing, and gets the edits', () => {
  const outcome = read(200, [
    ...['Connection', 'X-Gone', 'X-Gone', '1', 'Content-Length', '2', 'Set-Cookie', 'a=1'],
    ...['Proxy-Authenticate', 'x', 'Proxy-Status', 'other', 'Set-Cookie', 'b=2', 'Server', 's'],
  ]);
  assert.ok('head' in outcome);
  const edits = [
    { op: 'remove', name: 'server', value: '' },
    { op: 'add', name: 'X-New', value: '1' },
  ] as const;
  assert.deepEqual(responseFields(outcome.head, edits), [
    ...['Set-Cookie', 'a=1', 'Proxy-Status', 'other', 'Set-Cookie', 'b=2', 'X-New', '1'],
  ]);
});

test('a 101 says what it switches to, and another interim response does not', () => {
  const fields = ['Connection', 'upgrade', 'Upgrade', 'foo', 'X', 'y'];
  assert.equal(
    interimBytes(101, 'Go', fields, 'foo'),
    'HTTP/1.1 101 Go\r\nX: y\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n',
  );
  assert.equal(interimBytes(103, '', fields, null), 'HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n');
});
