import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Lookup, refreshNames, resolveNames } from '../../../src/control/resolve.ts';
import type { ResolvedNames } from '../../../src/plan/compile.ts';

const api = { path: 'pools.api.targets[0]', name: 'api.test:80', host: 'api.test', port: 80 };
const web = { path: 'pools.web.targets[1]', name: 'web.test:81', host: 'web.test', port: 81 };

const v4 = (...addresses: string[]) => addresses.map((address) => ({ address, family: 4 }));
const v6 = (...addresses: string[]) => addresses.map((address) => ({ address, family: 6 }));
const fail = (code: string) => Object.assign(new Error(code), { code });

function hostsOf(resolved: ResolvedNames, name: string): string[] {
  return (resolved.get(name) ?? []).map(({ host }) => host);
}

test('IPv4 addresses are preferred, doubles go, the order is stable', async () => {
  const lookup: Lookup = async (host) =>
    host === 'api.test' ? [...v6('::1'), ...v4('10.0.0.2', '10.0.0.1', '10.0.0.2')] : v6('::2');
  const resolved = await resolveNames([api, web], lookup);
  assert.deepEqual(resolved.get('api.test:80'), [
    { family: 'ipv4', host: '10.0.0.1', port: 80 },
    { family: 'ipv4', host: '10.0.0.2', port: 80 },
  ]);
  assert.deepEqual(resolved.get('web.test:81'), [{ family: 'ipv6', host: '::2', port: 81 }]);
});

test('localhost resolves by the system', async () => {
  const name = { ...api, name: 'localhost:80', host: 'localhost' };
  assert.deepEqual(hostsOf(await resolveNames([name]), 'localhost:80'), ['127.0.0.1']);
});

test('a name without address is one line that names pool, target, reason and remedy', async () => {
  for (const [code, reason] of [
    ['ENOTFOUND', 'ENOTFOUND: no such name'],
    ['EAI_AGAIN', 'EAI_AGAIN: no name server answers'],
    ['', 'ENODATA: the name has no address'],
  ] as const) {
    const lookup: Lookup = () => (code ? Promise.reject(fail(code)) : Promise.resolve([]));
    await assert.rejects(resolveNames([api], lookup), {
      code: 'resolve_failed',
      message: `pool api, target api.test:80: cannot resolve api.test (${reason}): correct the name, add it to /etc/hosts, or write the address itself`,
    });
  }
});

test('a listener whose name has no address is named', async () => {
  const name = { ...api, path: 'listeners.front.address' };
  const lookup: Lookup = () => Promise.reject(fail('ENOTFOUND'));
  await assert.rejects(resolveNames([name], lookup), /^SluiceError: listener front, address api/);
});

test('a target that moves is followed; one that fails keeps its addresses and is told once', async () => {
  const answers: Record<string, (() => ReturnType<Lookup>)[]> = {
    'api.test': [
      async () => v4('10.0.0.1'),
      () => Promise.reject(fail('ENOTFOUND')),
      () => Promise.reject(fail('ENOTFOUND')),
      async () => v4('10.0.0.3'),
    ],
    'web.test': [async () => v4('10.1.0.2', '10.1.0.1'), async () => v4('10.1.0.9')],
  };
  const lookup: Lookup = (host) => {
    const list = answers[host]!;
    return list.length > 1 ? list.shift()!() : list[0]!();
  };
  const resolved: ResolvedNames = new Map([
    ['api.test:80', [{ family: 'ipv4', host: '10.0.0.1', port: 80 }]],
    [
      'web.test:81',
      [
        { family: 'ipv4', host: '10.1.0.1', port: 81 },
        { family: 'ipv4', host: '10.1.0.2', port: 81 },
      ],
    ],
  ]);
  const warnings: string[] = [];
  const changes: string[][] = [];
  // The refresh does not keep a process alive; here something must.
  const hold = setTimeout(() => {}, 5000);
  // The first change is web's move while api fails; the second api's return from elsewhere.
  await new Promise<void>((resolve) => {
    const refresh = refreshNames({
      names: [api, web],
      resolved,
      lookup,
      intervalMs: 1,
      onWarning: (message) => warnings.push(message),
      onChange: async (next, moved) => {
        changes.push([...moved, ...hostsOf(next, 'api.test:80'), ...hostsOf(next, 'web.test:81')]);
        if (changes.length < 2) return;
        refresh.close();
        resolve();
      },
    });
  });
  clearTimeout(hold);
  assert.deepEqual(changes, [
    ['web.test:81', '10.0.0.1', '10.1.0.9'],
    ['api.test:80', '10.0.0.3', '10.1.0.9'],
  ]);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /api\.test .*; keeping its last addresses$/);
});

test('a change that cannot be put in force is tried again', async () => {
  let tries = 0;
  const warnings: string[] = [];
  const hold = setTimeout(() => {}, 5000);
  await new Promise<void>((resolve) => {
    const refresh = refreshNames({
      names: [api],
      resolved: new Map([['api.test:80', [{ family: 'ipv4', host: '10.0.0.1', port: 80 }]]]),
      lookup: async () => v4('10.0.0.2'),
      intervalMs: 1,
      onWarning: (message) => warnings.push(message),
      onChange: () => {
        tries++;
        if (tries === 1) return Promise.reject(new Error('refused'));
        refresh.close();
        resolve();
        return Promise.resolve();
      },
    });
  });
  clearTimeout(hold);
  assert.deepEqual(warnings, ['refused']);
});
