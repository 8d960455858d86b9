// What a listener's reload may do to the connections that are open on it: its name and its protocol change, the
// connections stay the ones that they are.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventually, within } from '../support/deadline.ts';
import { fetchOnce, openHttp } from '../support/http-client.ts';
import { startHttpTarget } from '../support/http-target.ts';
import { type NativeUnderTest, onBothLoops } from '../support/native-under-test.ts';
import { startEngine } from '../support/running-engine.ts';
import { Scope } from '../support/scope.ts';
import { freeAddress } from '../support/tcp-target.ts';

const scoped = (run: (scope: Scope) => Promise<void>) => async () => {
  const scope = new Scope();
  try {
    await run(scope);
  } finally {
    await scope.close();
  }
};

function describeNative({ name, create }: NativeUnderTest): void {
  describe(`${name}: a listener whose configuration changes under open connections`, () => {
    it(
      'counts a connection under the name that it closes with, so a renamed one still has room',
      scoped(async (scope) => {
        const target = scope.own(await startHttpTarget());
        const where = await freeAddress();
        const config = (name: string): object => ({
          listeners: {
            [name]: { address: where.text, protocol: 'http', pool: 'all', maxConnections: 2 },
          },
          pools: { all: { targets: [target.address] } },
        });
        const engine = scope.own(await startEngine(create, config('before')));
        const client = scope.own(await openHttp(where.port, { host: where.host }));
        assert.equal((await client.get('/')).status, 200);
        await engine.apply(config('after'));
        assert.equal((await client.get('/')).status, 200);
        assert.equal(engine.stats().listener('after').active, 1);
        client.close();
        await eventually('the connection to be gone', () => {
          const { active } = engine.stats().listener('after');
          assert.ok(active <= 1, `${active} connections are said to be open`);
          return active === 0;
        });
        const next = await fetchOnce(where.port, 'GET', '/', {}, '', { host: where.host });
        assert.equal(next.status, 200);
      }),
    );

    it(
      'lets go of idle HTTP connections when it becomes a TCP listener',
      scoped(async (scope) => {
        const target = scope.own(await startHttpTarget({ name: 'target' }));
        const where = await freeAddress();
        const config = (protocol: string): object => ({
          listeners: { web: { address: where.text, protocol, pool: 'all' } },
          pools: { all: { targets: [target.address] } },
        });
        const engine = scope.own(await startEngine(create, config('http')));
        const client = scope.own(await openHttp(where.port, { host: where.host }));
        assert.equal((await client.get('/')).text, 'target');
        await engine.apply(config('tcp'));
        assert.equal(await within(client.closed, 'the idle connection to close'), 'fin');
        const next = await fetchOnce(where.port, 'GET', '/', {}, '', { host: where.host });
        assert.equal(next.text, 'target');
        await engine.apply(config('http'));
        const again = await fetchOnce(where.port, 'GET', '/', {}, '', { host: where.host });
        assert.equal(again.text, 'target');
        await eventually('all connections to be gone', () => engine.inFlight === 0);
      }),
    );
  });
}

await onBothLoops(describeNative);
