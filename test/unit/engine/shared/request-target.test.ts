import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readForwardTarget, readTarget } from '../../../../src/engine/shared/request-target.ts';

const read = (method: string, url: string) => {
  const target = readForwardTarget(method, url);
  if (typeof target === 'string') return target;
  const { destination, path, query } = target;
  return [destination === null ? null : `${destination.host} ${destination.port}`, path, query];
};

test('a forward proxy takes absolute targets over http, and nothing else names a destination', () => {
  assert.deepEqual(read('GET', 'http://a.test'), ['a.test 80', '/', '']);
  assert.deepEqual(read('GET', 'HTTP://A.test.:8080/x/../y?z'), ['a.test 8080', '/y', '?z']);
  assert.deepEqual(read('GET', 'http://a.test?q'), ['a.test 80', '/', '?q']);
  assert.deepEqual(read('OPTIONS', 'http://a.test'), ['a.test 80', '*', '']);
  assert.deepEqual(read('GET', 'http://[::FFFF:127.0.0.1]:1/'), ['127.0.0.1 1', '/', '']);
  assert.deepEqual(read('GET', '/proxy.pac?x'), [null, '/proxy.pac', '?x']);
  assert.equal(read('GET', 'http://a.test/\\'), 'request_malformed');
  assert.equal(read('GET', 'http://a.test/../x'), 'request_malformed');
  for (const url of [
    'https://a.test/',
    'ftp://a.test/',
    '*',
    'a.test:80',
    '',
    'http:/a',
    'http://',
  ])
    assert.equal(read('GET', url), 'destination_malformed', url);
  for (const url of ['http://u@a.test/', 'http://a.test:0/', 'http://127.1/', 'http://a.test#f'])
    assert.equal(read('GET', url), 'destination_malformed', url);
});

test('CONNECT names a host and a port, no more and no less', () => {
  assert.deepEqual(read('CONNECT', 'a.test:443'), ['a.test 443', '', '']);
  assert.deepEqual(read('CONNECT', '[::1]:443'), ['::1 443', '', '']);
  for (const url of ['a.test', 'a.test:', 'a.test:443/', 'http://a.test:443', '/', '*', '::1:443'])
    assert.equal(read('CONNECT', url), 'destination_malformed', url);
});

test('a reverse proxy has no destinations and takes no CONNECT', () => {
  assert.equal(readTarget('CONNECT', 'a.test:443'), 'request_malformed');
  for (const url of ['/x', 'http://a.test/x', 'https://a.test/x']) {
    const target = readTarget('GET', url);
    assert.ok(typeof target === 'object' && target.destination === null && target.path === '/x');
  }
});
