import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, mock, test } from 'node:test';
import { type ExplainFlags, explain } from '../../../src/cli/explain.ts';

const CONFIG = `
listeners:
  egress:
    protocol: forward
    deny: ["*.social.test"]
    rules:
      - { name: ads, match: { lists: [ads] }, action: deny }
      - { name: office, match: { times: [{ days: [mon], from: "08:00", to: "17:00" }], hosts: ["*.work.test"] }, action: allow, via: parents }
      - { name: uploads, match: { methods: [POST], path: /up/* }, action: deny }
      - { name: guests, match: { clients: [192.0.2.0/24], ports: [25, 8000-8099] }, action: deny }
      - { name: inside, match: { hosts: [10.0.0.0/8] }, action: deny }
    privateDestinations: [10.1.0.0/16, 192.168.7.0/24]
  private:
    address: 127.0.0.1:3129
    protocol: forward
    accept: [socks5]
    users: users.txt
    rules: [{ name: ann, match: { users: [ann] }, action: allow }]
    default: deny
pools:
  parents: { targets: ["127.0.0.1:3130"], parent: http }
lists: { ads: ads.txt }
resolver:
  hosts: { public.test: [93.184.216.34], mixed.test: [10.0.0.7, 93.184.216.34], inside.test: [10.9.9.9], loop.test: [127.0.0.1], nas.test: [192.168.7.7] }
`;
let folder: string;
let file: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-explain-'));
  file = join(folder, 'sluice.yaml');
  writeFileSync(file, CONFIG);
  writeFileSync(join(folder, 'ads.txt'), 'ads.test\n*.tracker.test\n198.51.100.0/24\n');
  const hash = `$2b$12$${'a'.repeat(53)}`;
  writeFileSync(join(folder, 'users.txt'), `ann:${hash}\nbob:${hash}\n`);
});
after(() => rmSync(folder, { recursive: true }));

async function explained(request: string, flags: Partial<ExplainFlags> = {}): Promise<string> {
  const log = mock.method(console, 'log', () => {});
  const base = { request, header: [], client: '127.0.0.1', listener: 'egress', at: 'tue 12:00' };
  try {
    await explain(file, { ...base, ...flags });
    return log.mock.calls.map((call) => call.arguments.join(' ')).join('\n');
  } finally {
    log.mock.restore();
  }
}

test('the rule that denies, with what was passed over, and the answer', async () => {
  assert.equal(
    await explained('CONNECT x.tracker.test:443'),
    `listener  egress (forward on 127.0.0.1:3128)
to        x.tracker.test, port 443, a name
          passed over deny: x.tracker.test is not in *.social.test
rule      ads: x.tracker.test is in list ads
answer    403 destination_denied: a rule denies it`,
  );
  assert.match(
    await explained('SOCKS www.social.test:22'),
    /^rule {6}deny: www\.social\.test is \*\.social\.test\nanswer {4}refused, destination_denied: a rule denies it$/m,
  );
});

test('each condition that a rule misses is told in words', async () => {
  const text = await explained('GET http://public.test/x', { client: '192.0.2.9' });
  assert.match(text, /passed over office: tue 12:00 is not within mon 08:00-17:00/);
  assert.match(text, /passed over uploads: method GET is not POST/);
  assert.match(text, /passed over guests: port 80 is not any of 25, 8000-8099/);
  assert.match(
    text,
    /passed over inside: public\.test at 93\.184\.216\.34 is not in 10\.0\.0\.0\/8/,
  );
  assert.match(text, /^rule {6}default: matches everything$/m);
  const tunnel = await explained('CONNECT public.test:443', { client: '198.51.100.1' });
  assert.match(tunnel, /passed over uploads: method CONNECT is not POST/);
  const guest = await explained('CONNECT public.test:25', { client: '198.51.100.1' });
  assert.match(guest, /passed over guests: client 198\.51\.100\.1 is not in 192\.0\.2\.0\/24/);
  const upload = await explained('POST http://public.test/down/1');
  assert.match(upload, /passed over uploads: path \/down\/1 is not below \/up\//);
});

test('addresses are judged one by one, and those left are connected to', async () => {
  const text = await explained('CONNECT mixed.test:443');
  assert.match(text, /^address {3}10\.0\.0\.7 \(private\): rule inside denies it$/m);
  assert.match(text, /^address {3}93\.184\.216\.34 \(public\): rule default allows it$/m);
  assert.match(text, /^connect {3}to 93\.184\.216\.34:443$/m);
  const denied = await explained('CONNECT inside.test:443');
  assert.match(
    denied,
    /^rule {6}inside: inside\.test has 10\.9\.9\.9, which is in 10\.0\.0\.0\/8$/m,
  );
  assert.match(denied, /^answer {4}403 destination_denied: a rule denies it$/m);
});

test('addresses that are not public are told, and what permits them', async () => {
  const loop = await explained('CONNECT loop.test:443');
  assert.match(loop, /127\.0\.0\.1 is loopback, and so is not connected to/);
  assert.match(loop, /^answer {4}403 destination_forbidden: no address is public$/m);
  const metadata = await explained('CONNECT [::ffff:169.254.169.254]:443');
  assert.match(metadata, /169\.254\.169\.254 is link-local, and so is not connected to/);
  const nas = await explained('CONNECT nas.test:443');
  assert.match(nas, /192\.168\.7\.7 is private, permitted by privateDestinations/);
  assert.match(nas, /^connect {3}to 192\.168\.7\.7:443$/m);
});

test('given addresses are used in place of resolving', async () => {
  const text = await explained('CONNECT nowhere.test:443', { address: ['2606:4700::1111'] });
  assert.match(text, /^connect {3}to \[2606:4700::1111\]:443$/m);
  await assert.rejects(explained('CONNECT a.test:443', { address: ['here'] }), /--address here/);
});

test('a parent is picked as in any pool, and resolves the name', async () => {
  const text = await explained('GET http://a.work.test/x?y', {
    at: 'mon 09:30',
    address: ['93.184.216.34'],
  });
  assert.match(text, /^rule {6}office: a\.work\.test is \*\.work\.test$/m);
  assert.match(text, /^pool {6}parents \(round-robin, 1 target\)$/m);
  assert.match(text, /^pick {6}127\.0\.0\.1:3130: the only target$/m);
  assert.match(text, /the parent resolves a\.work\.test/);
  assert.match(text, /^forward {3}GET http:\/\/a\.work\.test\/x\?y HTTP\/1\.1$/m);
});

test('a port that is not permitted is told after the rule that allows', async () => {
  assert.match(
    await explained('CONNECT public.test:22'),
    /^rule {6}default: matches everything\nanswer {4}403 destination_denied: port 22 is not in connectPorts$/m,
  );
  assert.match(await explained('SOCKS public.test:22'), /^connect {3}to 93\.184\.216\.34:22$/m);
});

test('a plain request is shown as the destination gets it', async () => {
  const text = await explained('GET http://public.test:8080/a/../b?c');
  assert.match(text, /^path {6}\/b in its normal form$/m);
  assert.match(text, /^forward {3}GET \/b\?c HTTP\/1\.1\n {10}Host: public\.test:8080$/m);
  assert.match(text, /request: remove Forwarded, X-Forwarded-For/);
  assert.match(text, /request: add Via: 1\.1 sluice-/);
});

test('what is malformed, not spoken or not logged in never gets to the rules', async () => {
  const malformed = /^answer {4}400 destination_malformed: 0x7f\.1:443 is no host and port$/m;
  assert.match(await explained('CONNECT 0x7f.1:443'), malformed);
  assert.match(await explained('CONNECT public.test'), /400 destination_malformed/);
  assert.match(await explained('GET https://public.test/'), /https goes through CONNECT/);
  assert.match(await explained('GET http://public.test/%00'), /400 request_malformed/);
  const other = { listener: 'private' };
  assert.match(
    await explained('CONNECT public.test:443', other),
    /accept of the listener is socks5/,
  );
  assert.match(await explained('SOCKS public.test:443', other), /proxy_auth_required: say who/);
  const eve = await explained('SOCKS public.test:443', { ...other, user: 'eve' });
  assert.match(eve, /proxy_auth_required: .*users\.txt has no user eve/);
  const bob = await explained('SOCKS public.test:443', { ...other, user: 'bob' });
  assert.match(bob, /passed over ann: user bob is not ann/);
  const ann = await explained('SOCKS public.test:443', { ...other, user: 'ann' });
  assert.match(ann, /^rule {6}ann: all that it asks for holds$/m);
});

test('with a choice of listeners, which one must be said; times must be times', async () => {
  const { listener: _, ...rest } = { listener: 'x', request: 'CONNECT a.test:1', header: [] };
  await assert.rejects(
    explain(file, { ...rest, client: '127.0.0.1' }),
    /give --listener with one of egress \(port 3128\), private/,
  );
  await assert.rejects(
    explained('CONNECT a.test:443', { listener: 'none' }),
    /--listener none: there are egress, private/,
  );
  for (const at of ['25:00', 'someday 08:00', '8', 'mon 08:60']) {
    await assert.rejects(explained('CONNECT a.test:443', { at }), /--at .*: expected a time/);
  }
});
