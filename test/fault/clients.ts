// Clients that leave, at whatever moment.
import assert from 'node:assert/strict';
import { httpConfig } from '../contract/config.ts';
import { eventually, pause } from '../support/deadline.ts';
import { fetchOnce, openHttp } from '../support/http-client.ts';
import { chunk, ok, startHttpTarget } from '../support/http-target.ts';
import type { Random } from '../support/random.ts';
import { startEngine } from '../support/running-engine.ts';
import type { EntityStats } from '../support/stats-view.ts';
import type { Scenario } from './suite.ts';

/** Requests of every kind; a client sends some part of one, and leaves. */
const REQUESTS = [
  'GET /fast HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /slow HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /stream HTTP/1.1\r\nHost: a\r\n\r\n',
  `POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n${'x'.repeat(3000)}`,
  `POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${'5\r\nhello\r\n'.repeat(100)}0\r\n\r\n`,
  'GET /fast HTTP/1.1\r\nHost: a\r\n\r\nGET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /fast HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /fast HTTP/1.1\r\nHost: a\r\nBad Field: x\r\n\r\n',
];

async function visit(port: number, random: Random): Promise<void> {
  const client = await openHttp(port);
  const request = random.pick(REQUESTS);
  const isWhole = random.next() < 0.5;
  client.send(isWhole ? request : request.slice(0, random.between(0, request.length)));
  await pause(random.between(0, 12));
  const leave = random.pick(['reset', 'end', 'close', 'read'] as const);
  if (leave === 'read' && isWhole) await client.response().catch(() => {});
  if (leave === 'reset') client.connection.reset();
  else if (leave === 'end') client.connection.end();
  else client.close();
  if (leave === 'end') {
    await pause(random.between(0, 12));
    client.close();
  }
}

export const clientFaults: readonly Scenario[] = [
  {
    name: 'a thousand clients that leave at random moments take their work along',
    run: async ({ create, scope, random }) => {
      const target = scope.own(
        await startHttpTarget({
          answer: async (r) => {
            if (r.target === '/slow') await pause(random.between(1, 20));
            if (r.target !== '/stream') return ok('x'.repeat(100));
            r.connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
            for (let i = 0; i < 20 && !r.connection.hasEnded; i++) {
              r.connection.send(chunk('y'.repeat(5000)));
              await pause(1);
            }
            return '0\r\n\r\n';
          },
        }),
      );
      const engine = scope.own(
        await startEngine(create, httpConfig([target.address]), { workers: 2 }),
      );
      const port = engine.port('web');
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          for (let i = 0; i < 50; i++) await visit(port, random);
        }),
      );
      await eventually(
        'every client to be gone',
        () => engine.stats().listener('web').active === 0,
      );
      await eventually('nothing to be in flight', () => engine.inFlight === 0);
      assert.equal((await fetchOnce(port, 'GET', '/fast')).status, 200);
      assert.deepEqual(target.violations, []);

      const counted = () => {
        const stats = engine.stats();
        return [
          stats.listener('web'),
          stats.pool('all'),
          stats.target('all', target.address),
        ] as const;
      };
      // A request that was not understood may be counted and not timed.
      const isTimed = ({ timed, requests, errors }: EntityStats) =>
        timed >= requests - errors.request_malformed;
      // An answer is counted once it is on its way.
      await eventually('every request to be timed', () => counted().every(isTimed));
      const [listener, pool, upstream] = counted();
      assert.equal(listener.connections, 1001);
      for (const entity of [listener, pool, upstream]) {
        const answered =
          entity.status_2xx + entity.status_3xx + entity.status_4xx + entity.status_5xx;
        assert.ok(
          answered <= entity.requests,
          `${answered} answers to ${entity.requests} requests`,
        );
        assert.ok(
          entity.timed <= entity.requests,
          `${entity.timed} timed of ${entity.requests} requests`,
        );
      }
      assert.ok(
        upstream.requests >= target.requests.length,
        'the target saw no more than was counted',
      );
    },
  },
];
