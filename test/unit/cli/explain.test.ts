import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, mock, test } from 'node:test';
import { explain } from '../../../src/cli/explain.ts';

const CONFIG = `
listeners:
  web:
    address: 127.0.0.1:8080
    protocol: http
    forwarded: append
    routes:
      - { name: old, match: { path: /old/* }, stripPrefix: /old, redirect: { to: "{scheme}://{host}/new{path}{query}", status: 308 } }
      - { name: site, match: { host: "*.example.com", path: /api/* }, pool: api, stripPrefix: /api, hostHeader: target,
          requestHeaders: { set: { X-A: b }, remove: [X-C] } }
      - { name: fixed, match: { path: /fixed }, respond: { status: 418, body: tea } }
  plain: { address: 127.0.0.1:8081, protocol: http, pool: weighted }
  db: { address: 127.0.0.1:5433, protocol: tcp, pool: sticky }
pools:
  api: { targets: ["127.0.0.1:3000"] }
  weighted: { targets: [{ address: "127.0.0.1:3001", weight: 2 }, "127.0.0.1:3002"] }
  sticky: { strategy: ip-hash, targets: ["127.0.0.1:3003", "127.0.0.1:3004", "127.0.0.1:3005"] }
`;
let folder: string;
let file: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-explain-'));
  file = join(folder, 'sluice.yaml');
  writeFileSync(file, CONFIG);
});
after(() => rmSync(folder, { recursive: true }));

async function explained(
  request: string,
  flags: { readonly header?: string[]; readonly client?: string } = {},
): Promise<string> {
  const log = mock.method(console, 'log', () => {});
  try {
    await explain(file, { request, header: [], client: '127.0.0.1', ...flags });
    return log.mock.calls.map((call) => call.arguments.join(' ')).join('\n');
  } finally {
    log.mock.restore();
  }
}

test('the listener by its port, the route with what was passed over, the pick, what is forwarded', async () => {
  const text = await explained('GET http://www.example.com:8080/api/users?x=1');
  assert.equal(
    text,
    `listener  web (http on 127.0.0.1:8080)
          passed over old: path /api/users is not below /old/
route     site: host www.example.com is below example.com and path /api/users is below /api
pool      api (round-robin, 1 target)
pick      127.0.0.1:3000: the only target
forward   GET /users?x=1 HTTP/1.1
          Host: 127.0.0.1:3000
          X-Forwarded-For and its kin are appended to
          request: remove X-C
          request: set X-A: b`,
  );
});

test('a Host header wins over the authority of the URL', async () => {
  const text = await explained('GET http://127.0.0.1:8080/api/x', {
    header: ['Host: a.example.com'],
  });
  assert.match(text, /^route {5}site: host a\.example\.com/m);
});

test('no route is the 404 that a client would get', async () => {
  const text = await explained('GET http://other.test:8080/api/users');
  assert.match(text, /host other\.test is not below example\.com/);
  assert.match(text, /^answer {4}404 no_route/m);
});

test('fixed answers and redirects are told without a pick', async () => {
  assert.match(await explained('GET http://h:8080/fixed'), /^answer {4}418, 3 bytes/m);
  const redirect = await explained('GET http://h:8080/old/a?b');
  assert.match(redirect, /^answer {4}308 to http:\/\/h:8080\/new\/a\?b$/m);
  assert.doesNotMatch(redirect, /^pick/m);
});

test('turns and hashes are explained', async () => {
  assert.match(
    await explained('GET http://h:8081/'),
    /^pick {6}127\.0\.0\.1:3001: the first turn; the turns are 127\.0\.0\.1:3001, 127\.0\.0\.1:3002, 127\.0\.0\.1:3001$/m,
  );
  const picks = new Set<string>();
  for (const client of ['10.0.0.1', '10.0.0.2', '10.0.0.3', '::1', '10.0.0.9']) {
    const text = await explained('tcp://127.0.0.1:5433', { client });
    const [, pick, entry] =
      /^pick {6}(\S+): client \S+ hashes to \d+, entry ([0-2]) of 3$/m.exec(text) ?? [];
    assert.equal(pick, `127.0.0.1:${3003 + Number(entry)}`);
    picks.add(String(pick));
  }
  assert.ok(picks.size > 1);
});

test('a path that is refused or rewritten to its normal form is told', async () => {
  assert.match(await explained('GET http://h:8080/%00'), /^answer {4}400 request_malformed/m);
  assert.match(
    await explained('GET http://h:8080/x/../%66ixed'),
    /^path {6}\/fixed in its normal form/m,
  );
});

test('what cannot be understood is refused with what was expected', async () => {
  await assert.rejects(explained('GET'), /expected 'GET http:/);
  await assert.rejects(explained('/x'), /more than one http listener .* web \(port 8080\), plain/);
  await assert.rejects(explained('udp://h:1'), /no listener speaks udp/);
  await assert.rejects(explained('/x', { client: 'me' }), /--client me: expected an IP address/);
  await assert.rejects(
    explained('GET http://h:8080/', { header: ['nonsense'] }),
    /--header "nonsense"/,
  );
});
