import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillPage, readPage } from '../../../src/plan/page.ts';
import type { PagePiece } from '../../../src/plan/plan.ts';
import { readVectors } from './vectors.ts';

test('pages are filled in as the shared vectors say', () => {
  let page: readonly PagePiece[] = [];
  let filled = 0;
  for (const [what, first = '', ...rest] of readVectors('page')) {
    if (what === 'page') {
      page = readPage(first);
      continue;
    }
    const [port = '', rule = '', client = '', user = '', reason = '', html] = rest;
    assert.equal(fillPage(page, { host: first, port, rule, client, user, reason }), html);
    filled++;
  }
  assert.ok(filled > 6);
});

test('the built-in page names the host and the reason', () => {
  const values = { host: 'a<b', port: '1', rule: 'r', client: 'c', user: 'u', reason: 'so' };
  const html = fillPage(readPage(null), values);
  assert.match(html, /^<!doctype html>\n/);
  assert.match(html, /<b>a&lt;b<\/b>: so\./);
});
