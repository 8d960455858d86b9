import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ErrorCode } from '../../../../src/contract/codes.ts';
import { readRequestHead } from '../../../../src/engine/shared/request-head.ts';
import { type HeadParts, headOf, incoming, LIMITS } from './heads.ts';

function refusal(parts: HeadParts, limits = LIMITS): ErrorCode | 'accepted' {
  const outcome = readRequestHead(incoming(parts), limits);
  return 'code' in outcome ? outcome.code : 'accepted';
}

const HOST = ['Host', 'a'];

describe('a request head is refused', () => {
  const cases: Readonly<Record<string, [HeadParts, ErrorCode]>> = {
    'without Host in HTTP/1.1': [{ fields: [] }, 'request_malformed'],
    'with two Hosts, even the same': [{ fields: [...HOST, ...HOST] }, 'request_malformed'],
    'with an empty Host': [{ fields: ['Host', ''] }, 'request_malformed'],
    'with a list of hosts': [{ fields: ['Host', 'a,b'] }, 'request_malformed'],
    'with user information in Host': [{ fields: ['Host', 'u@a'] }, 'request_malformed'],
    'with a port beyond 65535': [{ fields: ['Host', 'a:65536'] }, 'request_malformed'],
    'with a port that is no number': [{ fields: ['Host', 'a:b'] }, 'request_malformed'],
    'with an escaped host': [{ fields: ['Host', 'a%00'] }, 'request_malformed'],
    'with a bracketed name': [{ fields: ['Host', '[ab]'] }, 'request_malformed'],
    'when Host contradicts an absolute target': [
      { url: 'http://b/', fields: HOST },
      'request_malformed',
    ],
    'when only the port contradicts': [{ url: 'http://a:81/', fields: HOST }, 'request_malformed'],
    'with another scheme': [{ url: 'ftp://a/', fields: HOST }, 'request_malformed'],
    'with * for another method than OPTIONS': [{ url: '*' }, 'request_malformed'],
    'with CONNECT': [{ method: 'CONNECT', url: 'a:80' }, 'request_malformed'],
    'with a fragment': [{ url: '/a#b' }, 'request_malformed'],
    'with a fragment in the query': [{ url: '/a?b#c' }, 'request_malformed'],
    'when its path climbs above the root': [{ url: '/../a' }, 'request_malformed'],
    'with an escaped NUL': [{ url: '/%00' }, 'request_malformed'],
    'as HTTP/2.0': [{ version: '2.0' }, 'request_version_unsupported'],
    'as HTTP/0.9': [{ version: '0.9' }, 'request_malformed'],
    'with length and coding': [
      { fields: [...HOST, 'Content-Length', '5', 'Transfer-Encoding', 'chunked'] },
      'request_malformed',
    ],
    'with a coding in HTTP/1.0': [
      { version: '1.0', fields: [...HOST, 'Transfer-Encoding', 'chunked'] },
      'request_malformed',
    ],
    'with an unknown coding before chunked': [
      { fields: [...HOST, 'Transfer-Encoding', 'gzip, chunked'] },
      'request_coding_unknown',
    ],
    'with chunked twice': [
      { fields: [...HOST, 'Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'] },
      'request_malformed',
    ],
    'when chunked is not last': [
      { fields: [...HOST, 'Transfer-Encoding', 'chunked, gzip'] },
      'request_malformed',
    ],
    'with an empty coding': [
      { fields: [...HOST, 'Transfer-Encoding', ',chunked'] },
      'request_malformed',
    ],
    'with two lengths': [
      { fields: [...HOST, 'Content-Length', '5', 'Content-Length', '5'] },
      'request_malformed',
    ],
    'with a length beyond counting': [
      { fields: [...HOST, 'Content-Length', '9007199254740993'] },
      'request_malformed',
    ],
    'when Connection gives up Host': [
      { fields: [...HOST, 'Connection', 'host'] },
      'request_malformed',
    ],
    'when Connection gives up the framing': [
      { fields: [...HOST, 'Connection', 'close, Content-Length'] },
      'request_malformed',
    ],
    'with an unknown expectation': [
      { fields: [...HOST, 'Expect', '100-continue, more'] },
      'request_expectation_failed',
    ],
  };
  for (const [name, [parts, code]] of Object.entries(cases)) {
    test(name, () => assert.equal(refusal(parts), code));
  }

  test('beyond each limit, and not at it', () => {
    const fields = [...HOST, 'X', 'y'];
    assert.equal(refusal({ url: '/abc' }, { ...LIMITS, targetBytes: 4 }), 'accepted');
    assert.equal(
      refusal({ url: '/abcd' }, { ...LIMITS, targetBytes: 4 }),
      'request_target_too_long',
    );
    assert.equal(refusal({ fields }, { ...LIMITS, headerCount: 2 }), 'accepted');
    assert.equal(refusal({ fields }, { ...LIMITS, headerCount: 1 }), 'request_head_too_large');
    const bytes = 'GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n'.length;
    assert.equal(refusal({ fields }, { ...LIMITS, headBytes: bytes }), 'accepted');
    assert.equal(
      refusal({ fields }, { ...LIMITS, headBytes: bytes - 1 }),
      'request_head_too_large',
    );
  });
});

describe('a request head says', () => {
  test('its authority by Host, or by an absolute target', () => {
    assert.equal(headOf({ fields: ['Host', 'A.example:80'] }).authority, 'A.example:80');
    assert.equal(headOf({ fields: ['Host', 'a:'] }).authority, 'a');
    assert.equal(headOf({ fields: ['Host', '[::1]:81'] }).authority, '[::1]:81');
    const absolute = headOf({ url: 'HTTP://a:80/x?y', fields: HOST });
    assert.deepEqual([absolute.authority, absolute.path, absolute.query], ['a:80', '/x', '?y']);
    assert.equal(headOf({ version: '1.0', fields: [] }).authority, '');
  });

  test('its path in normal form and its query as it came', () => {
    const head = headOf({ url: '/a/./b/../%7ec?d=/../%7e' });
    assert.deepEqual([head.path, head.query], ['/a/~c', '?d=/../%7e']);
    assert.equal(headOf({ url: 'http://a?x', fields: HOST }).path, '/');
    assert.equal(headOf({ method: 'OPTIONS', url: '*' }).path, '*');
    assert.equal(headOf({ method: 'OPTIONS', url: 'http://a', fields: HOST }).path, '*');
  });

  test('how its body is framed', () => {
    assert.deepEqual(headOf({}).body, { kind: 'none' });
    const length = headOf({ fields: [...HOST, 'content-length', '005'] });
    assert.deepEqual(length.body, { kind: 'length', length: 5 });
    const chunked = headOf({ fields: [...HOST, 'transfer-encoding', 'CHUNKED'] });
    assert.deepEqual(chunked.body, { kind: 'chunked' });
  });

  test('what Connection gives up, but for fields that it may not', () => {
    const given = headOf({ fields: [...HOST, 'Connection', 'X-A, x-forwarded-for, Cookie,close'] });
    assert.deepEqual([...given.nominated], ['x-a']);
  });

  test('that it expects 100 only with a body to wait with', () => {
    const fields = [...HOST, 'Expect', '100-Continue'];
    assert.equal(headOf({ fields }).expectsContinue, false);
    const posted = { method: 'POST', fields: [...fields, 'Content-Length', '1'] };
    assert.equal(headOf(posted).expectsContinue, true);
    assert.equal(headOf({ ...posted, version: '1.0' }).expectsContinue, false);
  });

  test('a protocol to switch to only where that counts', () => {
    const upgrade = (protocol: string, more: readonly string[] = [], parts: HeadParts = {}) =>
      headOf({ ...parts, fields: [...HOST, 'Connection', 'Upgrade', 'Upgrade', protocol, ...more] })
        .upgrade;
    const websocket = ['Sec-WebSocket-Version', '13'];
    assert.equal(upgrade('websocket', websocket), 'websocket');
    assert.equal(upgrade('h2c, foo/2'), 'foo/2');
    assert.equal(upgrade('websocket'), null);
    assert.equal(upgrade('websocket', ['Sec-WebSocket-Version', '12']), null);
    assert.equal(upgrade('websocket', websocket, { method: 'POST' }), null);
    assert.equal(upgrade('h2c'), null);
    assert.equal(upgrade('foo', ['Content-Length', '1']), null);
    assert.equal(upgrade('foo', [], { version: '1.0' }), null);
    assert.equal(headOf({ fields: [...HOST, 'Upgrade', 'foo'] }).upgrade, null);
  });
});
