import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FileReport } from '../../../src/control/file-report.ts';
import { type ReadList, readListFile } from '../../../src/control/list-file.ts';
import { HostSet } from '../../../src/plan/host-set.ts';
import { temporaryFolder } from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';

describe('a list of destinations', () => {
  let scope: Scope;
  let file: string;
  let report: FileReport;

  beforeEach(async () => {
    scope = new Scope();
    file = join(await temporaryFolder(scope), 'ads.txt');
    report = new FileReport();
  });
  afterEach(() => scope.close());

  async function read(text: string | Buffer, hasSubdomains = false): Promise<ReadList> {
    await writeFile(file, text);
    const list = await readListFile('lists.ads', file, hasSubdomains, report);
    assert.ok(list !== null);
    return list;
  }

  const heldOf = (list: ReadList, hosts: readonly string[]): string[] => {
    const set = new HostSet(list.hosts);
    return hosts.filter((host) => set.has(host));
  };

  it('has hosts, *.hosts, addresses and blocks, comments, and line ends of any kind', async () => {
    const list = await read(
      '\ufeff# ads\r\nads.example\r\n\r\n  *.track.example  # all of them\n192.0.2.1\n10.0.0.0/8\n2001:db8::/32\n[2001:db8::1]\nXN--MNCHEN-3YA.example.\nmünchen.example',
    );
    assert.equal(list.entries, 8);
    assert.deepEqual(
      list.blocks.map(({ host, bits }) => `${host}/${bits}`),
      ['192.0.2.1/32', '10.0.0.0/8', '2001:db8::/32', '2001:db8::1/128'],
    );
    const asked = [
      'ads.example',
      'www.ads.example',
      'track.example',
      'a.track.example',
      'xn--mnchen-3ya.example',
    ];
    assert.deepEqual(heldOf(list, asked), [
      'ads.example',
      'a.track.example',
      'xn--mnchen-3ya.example',
    ]);
    assert.deepEqual(report.warnings, []);
  });

  it('may be a hosts file, whose names of the machine itself are passed over', async () => {
    const list = await read(
      '127.0.0.1 localhost localhost.localdomain\n255.255.255.255 broadcasthost\n::1 ip6-localhost\n0.0.0.0 0.0.0.0\n0.0.0.0 a.example b.example # two\n0.0.0.0\tc.example\n:: d.example\n',
    );
    assert.equal(list.entries, 4);
    assert.deepEqual(list.blocks, []);
    const asked = ['localhost', 'a.example', 'b.example', 'c.example', 'd.example'];
    assert.deepEqual(heldOf(list, asked), asked.slice(1));
    assert.deepEqual(report.warnings, []);
  });

  it('stands for what is below its hosts too where that is said, or where a dot in front says so', async () => {
    const text = 'ads.example\n0.0.0.0 other.example\n';
    assert.deepEqual(
      heldOf(await read(text, true), ['ads.example', 'a.ads.example', 'b.c.other.example']),
      ['ads.example', 'a.ads.example', 'b.c.other.example'],
    );
    assert.deepEqual(heldOf(await read('.squid.example\n'), ['squid.example', 'a.squid.example']), [
      'squid.example',
      'a.squid.example',
    ]);
  });

  it('passes over lines that are wrong, and tells the first few', async () => {
    const list = await read(
      'good.example\nhttp://bad.example/\n-\n10.0.0.1/8\n127.1\ntwo words\na..b\n*.*.example\n0.0.0.0 bad/name\n',
    );
    assert.equal(list.entries, 2);
    assert.deepEqual(heldOf(list, ['good.example', '-']), ['good.example', '-']);
    assert.deepEqual(report.warnings, [
      {
        path: 'lists.ads',
        message: `7 lines are no host, *.host, address or block and count for nothing: ${file}:2 ("http://bad.example/"), ${file}:4 ("10.0.0.1/8"), ${file}:5 ("127.1"), and 4 more`,
      },
    ]);
  });

  it('passes over filters of ad blockers, and says where to find what it takes', async () => {
    const list = await read(
      '[Adblock Plus 2.0]\n! Title\n||ads.example^\n@@||good.example^\nexample.com##.ad\nplain.example\n',
    );
    assert.equal(list.entries, 1);
    assert.deepEqual(report.warnings, [
      {
        path: 'lists.ads',
        message: `5 of the lines of ${file} are filters of an ad blocker, which count for nothing: take the list of plain hosts that its makers offer`,
      },
    ]);
  });

  it('is told apart by its contents and by what they stand for', async () => {
    const [one, same, other] = [
      await read('a.example\n'),
      await read('a.example\n'),
      await read('b.example\n'),
    ];
    const below = await read('b.example\n', true);
    assert.equal(one.digest, same.digest);
    assert.equal(new Set([one.digest, other.digest, below.digest]).size, 3);
  });

  it('that is missing or empty is a problem, one without entries is worth a warning', async () => {
    assert.equal(await readListFile('lists.ads', file, false, report), null);
    await writeFile(file, '');
    assert.equal(await readListFile('lists.ads', file, false, report), null);
    assert.deepEqual(
      report.problems.map(({ received, hint }) => [received, hint]),
      [
        [`${file}, which does not exist`, undefined],
        [`${file}, which is empty`, 'write a comment into it: # empty'],
      ],
    );
    assert.equal((await read('# empty\n')).hosts.length, 0);
    assert.deepEqual(
      report.warnings.map(({ message }) => message),
      [`${file} has no entries`],
    );
  });

  it('of many lines lets other work go on while it is read', async () => {
    const text = Array.from({ length: 50_000 }, (_, i) => `0.0.0.0 host${i}.example`).join('\n');
    let turns = 0;
    let isRead = false;
    const turn = () => {
      turns++;
      if (!isRead) setImmediate(turn);
    };
    setImmediate(turn);
    const list = await read(text);
    isRead = true;
    assert.equal(list.entries, 50_000);
    assert.deepEqual(
      heldOf(list, ['host0.example', 'host49999.example', 'host50000.example']).length,
      2,
    );
    assert.ok(turns > 5, `${turns} turns`);
  });
});
