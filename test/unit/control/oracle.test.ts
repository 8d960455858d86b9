import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Config } from '../../../src/config/config.ts';
import { parseConfig } from '../../../src/config/parse.ts';
import { LiveOracle } from '../../../src/control/oracle.ts';
import { eventually } from '../../support/deadline.ts';
import { a, answersOf, DnsResponder } from '../../support/dns-responder.ts';
import { Scope } from '../../support/scope.ts';

describe('a question about a name', () => {
  let scope: Scope;
  let oracle: LiveOracle;
  let silent: DnsResponder;

  beforeEach(async () => {
    scope = new Scope();
    silent = scope.own(await DnsResponder.open(() => 'silence'));
    oracle = scope.own(new LiveOracle(() => {}));
  });
  afterEach(() => scope.close());

  const configOf = ({ address }: DnsResponder): Config =>
    parseConfig({
      listeners: { p: { protocol: 'forward' } },
      resolver: { servers: [address], timeout: '1h' },
    });
  const use = (config: Config) => oracle.use(config, new Map());

  async function ask(): Promise<ReturnType<LiveOracle['addressesOf']>[]> {
    const asked = [oracle.addressesOf('one.test'), oracle.addressesOf('two.test')];
    const has = (name: string) => silent.asked(name) === 2;
    await eventually('the questions', () => has('one.test') && has('two.test'));
    return asked;
  }

  it('that waits when the resolver changes is answered by the new one', async () => {
    const other = scope.own(
      await DnsResponder.open(answersOf({ 'one.test': [a('one.test', '192.0.2.1', 20)] })),
    );
    await use(configOf(silent));
    const asked = await ask();
    await use(configOf(other));
    assert.deepEqual(await Promise.all(asked), [
      { addresses: [{ family: 'ipv4', host: '192.0.2.1' }], ttlMs: 20_000, error: 'none' },
      { addresses: [], ttlMs: 10_000, error: 'name_not_found' },
    ]);
  });

  it('that waits when there is nobody to ask any more, or at the close, fails', async () => {
    await use(configOf(silent));
    const [first] = await ask();
    await use(
      parseConfig({
        listeners: { w: { protocol: 'http', address: ':0', routes: [{ respond: {} }] } },
      }),
    );
    assert.equal((await first)?.error, 'name_timeout');
    await use(configOf(silent));
    const last = oracle.addressesOf('last.test');
    await oracle.close();
    assert.equal((await last).error, 'name_timeout');
  });
});
