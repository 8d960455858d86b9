// The access log: JSON lines in a file.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SluiceError } from '../../../src/contract/errors.ts';
import { eventually } from '../../support/deadline.ts';
import { fetchOnce } from '../../support/http-client.ts';
import { freeAddress, startEchoTarget } from '../../support/tcp-target.ts';
import { openUdp, openUdpTarget } from '../../support/udp.ts';
import { type Case, type CaseContext, type Feature, offers } from '../case.ts';
import { httpConfig, routesConfig } from '../config.ts';

export type LogRecord = Record<string, string | number | null>;

export async function logFile(test: CaseContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-'));
  test.defer(() => rm(folder, { recursive: true, force: true }));
  return path.join(folder, 'access.log');
}

/** The records of a file once there are `count`. */
export async function records(file: string, count: number): Promise<LogRecord[]> {
  let lines: string[] = [];
  await eventually(`${count} log records`, async () => {
    const text = await readFile(file, 'utf8').catch(() => '');
    lines = text.split('\n').slice(0, -1);
    return lines.length >= count;
  });
  return lines.map((line) => JSON.parse(line) as LogRecord);
}

const cases: Case[] = [
  {
    name: 'one record a request, with every field',
    run: async (test) => {
      const accessLog = await logFile(test);
      const target = await test.httpTarget({ name: 'answer' });
      const engine = await test.engine(
        routesConfig([target.address], [{ name: 'main' }], { accessLog }),
      );
      await fetchOnce(engine.port('web'), 'POST', '/a/b?c=d', { Host: 'site.example' }, 'hello');
      const [record] = await records(accessLog, 1);
      const { time, client, durationMs, upstreamMs, bytesIn, bytesOut, ...rest } = record!;
      assert.deepEqual(rest, {
        listener: 'web',
        route: 'main',
        method: 'POST',
        host: 'site.example',
        path: '/a/b?c=d',
        status: 200,
        target: target.address,
        error: null,
      });
      assert.match(String(client), /^127\.0\.0\.1:\d+$/);
      assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000);
      assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.ok(Number(bytesIn) >= 5 && Number(bytesOut) >= 6);
      assert.equal(typeof durationMs, 'number');
      assert.equal(typeof upstreamMs, 'number');
      assert.ok(Number(durationMs) >= Number(upstreamMs) && Number(upstreamMs) > 0);
    },
  },
  {
    name: 'a failed request names its error and its target',
    run: async (test) => {
      const accessLog = await logFile(test);
      const dead = (await freeAddress()).text;
      const engine = await test.engine(httpConfig([dead], { accessLog }));
      await fetchOnce(engine.port('web'), 'GET', '/');
      const [record] = await records(accessLog, 1);
      assert.equal(record!.status, 502);
      assert.equal(record!.error, 'connect_refused');
      assert.equal(record!.target, dead);
    },
  },
  {
    name: 'a malformed request is on record too',
    run: async (test) => {
      const accessLog = await logFile(test);
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], { accessLog }));
      const client = await test.http(engine.port('web'));
      client.send('GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n');
      await client.response();
      const [record] = await records(accessLog, 1);
      assert.equal(record!.status, 400);
      assert.equal(record!.error, 'request_malformed');
      assert.equal(record!.target, null);
    },
  },
  {
    name: 'what a client sends cannot forge or break a record',
    run: async (test) => {
      const accessLog = await logFile(test);
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], { accessLog }));
      await fetchOnce(engine.port('web'), 'GET', '/"}{"status":200,%0a\'', { Host: 'test' });
      const lines = await records(accessLog, 1);
      assert.equal(lines.length, 1);
      assert.equal(lines[0]!.status, 200);
      assert.match(String(lines[0]!.path), /^\/"\}\{"status":200,%0A'$/i);
    },
  },
  {
    name: 'one record a TCP connection',
    needs: offers('tcp'),
    run: async (test) => {
      const accessLog = await logFile(test);
      const target = test.own(await startEchoTarget());
      const engine = await test.engine({
        listeners: { db: { address: '127.0.0.1:0', protocol: 'tcp', pool: 'all', accessLog } },
        pools: { all: { targets: [target.address] } },
      });
      const client = await test.connect(engine.port('db'));
      client.end('12345');
      await client.closed;
      const [record] = await records(accessLog, 1);
      const { time, client: from, durationMs, ...rest } = record!;
      assert.deepEqual(rest, {
        listener: 'db',
        bytesIn: 5,
        bytesOut: 5,
        target: target.address,
        error: null,
      });
      assert.match(String(from), /^127\.0\.0\.1:\d+$/);
      assert.ok(Date.parse(String(time)) > 0 && typeof durationMs === 'number');
    },
  },
  {
    name: 'one record a UDP session',
    needs: offers('udp'),
    run: async (test) => {
      const accessLog = await logFile(test);
      const target = test.own(await openUdpTarget('re '));
      const engine = await test.engine({
        listeners: {
          media: { address: '127.0.0.1:0', protocol: 'udp', pool: 'all', accessLog, responses: 1 },
        },
        pools: { all: { targets: [target.address] } },
      });
      const client = test.own(await openUdp());
      client.send('12345', engine.port('media'));
      await client.next();
      const [record] = await records(accessLog, 1);
      assert.equal(record!.listener, 'media');
      assert.equal(record!.client, `127.0.0.1:${client.port}`);
      assert.equal(record!.bytesIn, 5);
      assert.equal(record!.bytesOut, 8);
      assert.equal(record!.target, target.address);
      assert.equal(record!.error, null);
    },
  },
  {
    name: 'a thousand requests are a thousand records, whole ones',
    run: async (test) => {
      const accessLog = await logFile(test);
      const engine = await test.engine(
        {
          listeners: {
            web: { address: '127.0.0.1:0', protocol: 'http', routes: [{ respond: {} }], accessLog },
          },
        },
        { workers: 2 },
      );
      await Promise.all(
        Array.from({ length: 10 }, async (_, i) => {
          const client = await test.http(engine.port('web'));
          for (let k = 0; k < 100; k++) await client.get(`/${i}/${k}`);
        }),
      );
      const all = await records(accessLog, 1000);
      assert.equal(new Set(all.map((r) => r.path)).size, 1000);
      assert.equal(engine.stats().listener('web').log_dropped, 0);
    },
  },
  {
    name: 'a reload writes to the file of that name again after it was renamed',
    run: async (test) => {
      const accessLog = await logFile(test);
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], { accessLog }));
      const client = await test.http(engine.port('web'));
      await client.get('/before');
      await records(accessLog, 1);
      await rename(accessLog, `${accessLog}.1`);
      await engine.apply(httpConfig([target.address], { accessLog }));
      await client.get('/after');
      const after = await records(accessLog, 1);
      assert.equal(after[0]!.path, '/after');
      assert.equal((await records(`${accessLog}.1`, 1)).length, 1);
    },
  },
  {
    name: 'everything logged is in the file once the engine has closed',
    run: async (test) => {
      const accessLog = await logFile(test);
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], { accessLog }));
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 50; i++) await client.get('/');
      await engine.close(1000);
      const text = await readFile(accessLog, 'utf8');
      assert.equal(text.split('\n').length - 1, 50);
    },
  },
  {
    name: 'a file that cannot be written stops the start, with listener and path named',
    run: async (test) => {
      const accessLog = '/nonexistent-folder/access.log';
      const failure = await test.engine(httpConfig(['127.0.0.1:9'], { accessLog })).then(
        () => undefined,
        (error: unknown) => error,
      );
      assert.ok(failure instanceof SluiceError);
      assert.equal(failure.code, 'log_unwritable');
      assert.match(failure.message, /listener web/);
      assert.ok(failure.message.includes(accessLog));
    },
  },
  {
    name: 'a file that cannot be written on reload leaves the old plan in force',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const accessLog = '/nonexistent-folder/access.log';
      await assert.rejects(engine.apply(httpConfig([target.address], { accessLog })), {
        code: 'log_unwritable',
      });
      assert.equal((await fetchOnce(engine.port('web'), 'GET', '/')).status, 200);
    },
  },
];

export const accessLogs: Feature = { name: 'access log', cases };
