// Faults of the whole process: no descriptors left; targets killed at random for as long as the run lasts.
import assert from 'node:assert/strict';
import { httpConfig } from '../contract/config.ts';
import { eventually, pause } from '../support/deadline.ts';
import { startEngineProcess } from '../support/engine-process.ts';
import { fetchOnce, type HttpClient, openHttp, requestBytes } from '../support/http-client.ts';
import type { HttpTarget } from '../support/http-target.ts';
import { runSeconds } from '../support/random.ts';
import { freeAddress } from '../support/tcp-target.ts';
import { load, startPatternTarget } from './load.ts';
import type { Scenario } from './suite.ts';

const CLIENTS = 16;
/** Ends of the empty pipes that each of two workers keeps: as many as were ever in use at once. */
const POOLED_PIPE_ENDS = 2 * 2 * CLIENTS;

export const processFaults: readonly Scenario[] = [
  {
    name: 'no descriptors left: the newest work is shed and counted, nothing spins, and it recovers',
    run: async ({ engine, scope }) => {
      const target = scope.own(await startPatternTarget());
      // Enough for Node to load its modules, many of which it opens at once.
      const child = scope.own(
        await startEngineProcess(engine, httpConfig([target.address]), { descriptors: 300 }),
      );
      const port = child.port('web');
      assert.equal((await fetchOnce(port, 'GET', '/10/before')).status, 200);
      const clients: HttpClient[] = [];
      for (let i = 0; i < 400; i++) {
        const client = scope.own(await openHttp(port));
        client.send(requestBytes('GET', `/10/${i}`));
        clients.push(client);
      }
      const isShed = ({ connection }: HttpClient) =>
        connection.hasEnded || connection.text.startsWith('HTTP/1.1 503');
      await eventually('the newest to be shed', () => clients.filter(isShed).length > 100);
      // Node closes what it cannot accept by itself and tells nobody, so that the js engine has nothing to count.
      const { listeners } = await child.facts();
      if (engine !== 'js') assert.ok(listeners.web!.errors.out_of_descriptors > 0);
      const before = await child.facts();
      const began = performance.now();
      await pause(1000);
      const after = await child.facts();
      const idleMs = performance.now() - began;
      const cpuMs = after.cpuMs - before.cpuMs;
      // What spins takes all of that time; a look at the process takes some of it.
      assert.ok(cpuMs < idleMs / 2, `${cpuMs} ms of CPU in ${idleMs} idle ones`);

      for (const client of clients) client.close();
      await eventually('service again', async () => {
        const answer = await fetchOnce(port, 'GET', '/10/after').catch(() => undefined);
        return answer?.status === 200;
      });
      await eventually('everything to be let go', async () => (await child.facts()).inFlight === 0);
    },
  },
  {
    name: 'targets killed at random under load: no crash, no leak, no wrong byte, no idempotent request lost',
    deadlineMs: 60_000 + runSeconds() * 1000,
    run: async ({ engine, scope, random }) => {
      const addresses = [await freeAddress(), await freeAddress(), await freeAddress()];
      const targets: (HttpTarget | undefined)[] = await Promise.all(
        addresses.map(({ host, port }) => startPatternTarget({ host, port })),
      );
      scope.defer(async () => {
        for (const target of targets) await target?.close();
      });
      const config = httpConfig(
        addresses.map((a) => a.text),
        {},
        { eject: { after: 1, for: '100ms', max: '400ms' } },
      );
      const child = scope.own(await startEngineProcess(engine, config));
      const port = child.port('web');
      await load(port, CLIENTS, countdown(1), () => random.between(0, 100_000));
      const before = await child.facts();

      const isOver = countdown(runSeconds());
      const loading = load(port, CLIENTS, isOver, () =>
        random.pick([0, 10, 1000, 100_000, 400_000]),
      );
      let kills = 0;
      while (!isOver()) {
        await pause(random.between(20, 200));
        const doomed = random.between(0, 2);
        // One of them is always alive.
        if (targets.filter((t) => t !== undefined).length < 3) continue;
        await targets[doomed]!.close();
        targets[doomed] = undefined;
        kills++;
        await pause(random.between(20, 200));
        const { host, port: targetPort } = addresses[doomed]!;
        targets[doomed] = await startPatternTarget({ host, port: targetPort });
      }
      const result = await loading;
      assert.equal(result.wrong, 0, 'wrong bytes');
      assert.deepEqual(result.statuses, {}, `statuses other than 200 in ${result.right} requests`);
      assert.ok(
        kills > runSeconds() / 4 && result.right > kills,
        `${kills} kills, ${result.right} answers`,
      );
      // Only responses under way at a target that was killed may be cut.
      assert.ok(
        result.cut <= kills * CLIENTS,
        `${result.cut} of ${result.right} responses cut by ${kills} kills`,
      );

      await eventually('nothing to be in flight', async () => (await child.facts()).inFlight === 0);
      const after = await child.facts();
      const [open, most] = [after, before].map((facts) => facts.descriptors - facts.pipeEnds);
      assert.ok(open! <= most! + 48, `${most} → ${open} descriptors`);
      assert.ok(
        after.pipeEnds <= before.pipeEnds + POOLED_PIPE_ENDS,
        `${before.pipeEnds} → ${after.pipeEnds} ends of pipes`,
      );
      const grown = after.rssBytes - before.rssBytes;
      assert.ok(grown < 48 * 1024 * 1024, `${grown} bytes more memory`);
    },
  },
];

function countdown(seconds: number): () => boolean {
  const end = performance.now() + seconds * 1000;
  return () => performance.now() > end;
}
