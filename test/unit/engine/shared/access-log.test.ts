import assert from 'node:assert/strict';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { AccessLog, AccessLogs } from '../../../../src/engine/shared/access-log.ts';
import { EntityStats } from '../../../../src/engine/shared/entity-stats.ts';
import type { Plan } from '../../../../src/plan/plan.ts';

async function folder(t: TestContext): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'sluice-'));
  t.after(() => rm(made, { recursive: true, force: true }));
  return made;
}

function planWith(...accessLogs: (string | null)[]): Plan {
  const listeners = accessLogs.map((accessLog, i) => ({ name: `l${i}`, accessLog }));
  return { version: 1, listeners, routes: [], pools: [], targets: [] } as unknown as Plan;
}

test('records are written as lines, in order, before the log closes', async (t) => {
  const file = path.join(await folder(t), 'a.log');
  const logs = new AccessLogs();
  const prepared = logs.prepare(planWith(file));
  prepared.commit();
  const stats = new EntityStats();
  for (let i = 0; i < 1000; i++) prepared.of(file)?.write({ i }, stats);
  await logs.close();
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).i),
    Array.from({ length: 1000 }, (_, i) => i),
  );
  assert.equal(stats.get('log_dropped'), 0);
});

test('a reload goes on in a new file after the old one was renamed, and loses nothing', async (t) => {
  const file = path.join(await folder(t), 'a.log');
  const logs = new AccessLogs();
  const first = logs.prepare(planWith(file));
  first.commit();
  const stats = new EntityStats();
  first.of(file)?.write({ n: 1 }, stats);
  await rename(file, `${file}.1`);
  const second = logs.prepare(planWith(file));
  second.commit();
  assert.equal(second.of(file), first.of(file), 'flows of the first plan write to the same log');
  first.of(file)?.write({ n: 2 }, stats);
  await logs.close();
  const text = (await readFile(`${file}.1`, 'utf8')) + (await readFile(file, 'utf8'));
  assert.equal(text, '{"n":1}\n{"n":2}\n');
});

test('flows that outlive the plan that named their log still write to it', async (t) => {
  const file = path.join(await folder(t), 'a.log');
  const logs = new AccessLogs();
  const first = logs.prepare(planWith(file));
  first.commit();
  logs.prepare(planWith(null)).commit();
  const log = first.of(file);
  log?.write({ late: 1 }, new EntityStats());
  await log?.close();
  assert.equal(await readFile(file, 'utf8'), '{"late":1}\n');
});

test('a log that cannot be written names the listener and the path', async (t) => {
  const missing = path.join(await folder(t), 'none', 'a.log');
  assert.throws(() => new AccessLogs().prepare(planWith(null, missing)), {
    code: 'log_unwritable',
    message: `listener l1: cannot write the access log ${missing}: its folder does not exist; create it`,
  });
});

test('a disk that does not keep up costs records, which are counted, and no memory', async () => {
  let finish: (() => void) | undefined;
  let written = 0;
  const log = new AccessLog({
    write: (text, done) => {
      written += text.length;
      finish = () => done();
    },
    close: () => {},
  });
  const stats = new EntityStats();
  const record = { filler: 'x'.repeat(100_000) };
  log.write(record, stats);
  await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 100; i++) log.write(record, stats);
  const dropped = stats.get('log_dropped');
  assert.ok(dropped > 50 && dropped < 70, `${dropped} of 100 dropped`);
  finish?.();
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(written < 5_000_000);
  finish?.();
  await log.close();
});

test('records that the disk refuses are counted', async () => {
  const log = new AccessLog({ write: (_, done) => done(new Error('full')), close: () => {} });
  const stats = new EntityStats();
  log.write({ a: 1 }, stats);
  log.write({ b: 2 }, stats);
  await log.close();
  assert.equal(stats.get('log_dropped'), 2);
});
