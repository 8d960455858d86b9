// Runs of the command itself, as small as they can be: what they write, and that nothing of them is left however
// they end. No figure is looked at: the machine is not quiet while tests run.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from '../../src/bench/contestant.ts';
import { congestionControl } from '../../src/bench/machine.ts';
import { findWay } from '../../src/bench/network.ts';
import { REPORT_FORMAT, type Report } from '../../src/bench/report.ts';
import { isUsable } from '../../src/bench/statistics.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');
/** Every process of a run inherits it, which is how they are found. */
const MARK = 'SLUICE_BENCH_TEST_MARK';
const PATIENCE_MS = 20_000;
const way = findWay();

let folder = '';
let marks = 0;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-test-of-bench-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

interface Bench {
  readonly mark: string;
  /** Folders of the run's programs that were seen. */
  readonly places: Set<string>;
  readonly child: ChildProcess;
  readonly text: () => string;
  /** Resolves with all output once it contains the text. */
  readonly saying: (text: string) => Promise<void>;
}

function bench(...parameters: string[]): Bench {
  marks += 1;
  const mark = `${process.pid}-${marks}`;
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, 'bench', ...parameters], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, [MARK]: mark },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      child.emit('said');
    });
  }
  const saying = async (wanted: string): Promise<void> => {
    while (!text.includes(wanted)) {
      assert.equal(child.exitCode, null, `ended without saying ${wanted}:\n${text}`);
      await Promise.race([once(child, 'said'), once(child, 'close')]);
    }
  };
  return { mark, places: new Set(), child, text: () => text, saying };
}

/** Command lines of living processes that carry the mark, or name the run's folder: nginx hides where it comes from. */
function living({ mark, places }: Pick<Bench, 'mark' | 'places'>): string[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      const environment = readFileSync(`/proc/${name}/environ`, 'utf8');
      const state = /^State:\s+(\w)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1];
      const isOurs =
        environment.includes(`${MARK}=${mark}\0`) ||
        [...places].some((place) => line.includes(place));
      if (!isOurs || state === 'Z') return [];
      const place = /\/sluice-bench-\w+/.exec(line)?.[0];
      if (place) places.add(place);
      return [`${name} ${line}`];
    } catch {
      return []; // it ended while we looked
    }
  });
}

async function untilNobodyLives(run: Bench): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (living(run).length > 0) {
    assert.ok(Date.now() < deadline, `still there:\n${living(run).join('\n')}`);
    await sleep(50);
  }
}

function readReport(out: string): Report {
  return JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as Report;
}

describe('a run', () => {
  it('writes what it measured, as data and as a page', { timeout: 120_000 }, async () => {
    const out = join(folder, 'small');
    const small = bench(
      ...['--scenario', 'layers/udp,engines/http-small', '--proxies', 'native,js,direct'],
      ...['--quick', '--rounds', '2', '--seconds', '0.2', '--out', out],
    );
    const { child, text } = small;
    const [code] = await once(child, 'close');
    assert.equal(code, 0, text());
    const report = readReport(out);
    assert.equal(report.format, REPORT_FORMAT);
    assert.deepEqual(
      report.cases.map(({ id }) => id),
      ['layers/udp', 'layers/udp-latency', 'engines/http-small'],
    );
    for (const record of report.cases) {
      assert.deepEqual(record.absent, {}, record.id);
      const ids = new Set(record.samples.map(({ contestant }) => contestant));
      assert.ok(ids.size === 2, record.id);
      assert.equal(record.samples.length, 4);
      for (const sample of record.samples) {
        assert.deepEqual(sample.errors, [], record.id);
        assert.ok(isUsable(sample) && sample.work > 0 && sample.rate > 0 && sample.wallSeconds > 0);
        assert.equal(sample.cpuSeconds > 0, sample.contestant !== 'direct', record.id);
        assert.ok(sample.originCpuSeconds > 0 && sample.generatorCpuSeconds > 0);
        const { latency } = sample;
        assert.ok(latency && latency.p50 > 0 && latency.p50 <= latency.p99);
        assert.equal(sample.intendedRate === null, record.arrival === 'closed');
      }
      const rounds = record.samples.map(({ round, position }) => [round, position]);
      assert.deepEqual(rounds, [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ]);
      const order = record.samples.map(({ contestant }) => contestant);
      assert.deepEqual(order.slice(2), order.slice(0, 2).toReversed());
      for (const id of ids) {
        assert.equal(id === 'direct', record.configurations[id] === undefined, id);
      }
    }
    assert.ok(report.notes.some((note) => note.includes('fewer than 5 rounds')));
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    assert.ok(page.includes('layers/udp-latency') && page.trimEnd().endsWith('</html>'));
    await untilNobodyLives(small);
  });

  it('measures over TLS, and what was resumed was resumed', { timeout: 120_000 }, async () => {
    const out = join(folder, 'tls');
    const { child, text } = bench(
      ...['--scenario', 'tls/keep-alive-small,tls/handshake', '--proxies', 'native,nginx,haproxy'],
      ...['--rounds', '1', '--seconds', '0.2', '--out', out],
    );
    const [code] = await once(child, 'close');
    assert.equal(code, 0, text());
    const { cases, notes, contestants } = readReport(out);
    const there = contestants.filter(({ missing }) => missing === null).length;
    assert.ok(there > 0 && cases.length >= 4);
    for (const { id, samples, absent, configuration, configurations } of cases) {
      assert.match(
        configuration ?? '',
        /protocol: https[\s\S]*cipherSuites: \[TLS_AES_128_GCM_SHA256\]/,
      );
      for (const one of Object.values(configurations)) {
        assert.match(one, /TLS_AES_128_GCM_SHA256/);
        assert.doesNotMatch(one, /PRIVATE KEY/);
      }
      if (samples.length === 0) assert.match(Object.values(absent).join(), /libssl-dev/, id);
      for (const sample of samples) {
        assert.deepEqual(sample.errors, [], `${id}: ${sample.contestant}`);
        assert.ok(isUsable(sample) && sample.work > 0 && sample.cpuSeconds > 0);
      }
    }
    assert.ok(notes.some((note) => /OpenSSL|libssl-dev/.test(note)));
  });

  const noSquid = findProgram('squid') === null && 'LOUDLY SKIPPED: squid is not installed';
  it('measures forward proxies', { timeout: 120_000, skip: noSquid }, async () => {
    const out = join(folder, 'forward');
    const run = bench(
      ...['--scenario', 'forward', '--proxies', 'native,js,squid', '--rounds', '1'],
      ...['--seconds', '0.2', '--out', out],
    );
    const [code] = await once(run.child, 'close');
    assert.equal(code, 0, run.text());
    const { cases, notes } = readReport(out);
    assert.ok(cases.length >= 4);
    for (const { id, samples, absent, configuration, configurations } of cases) {
      assert.deepEqual(absent, {}, id);
      assert.match(configuration ?? '', /protocol: forward/);
      assert.match(configurations.squid ?? '', /^cache deny all$/m);
      assert.ok(samples.length >= 2);
      for (const sample of samples) {
        assert.deepEqual(sample.errors, [], `${id}: ${sample.contestant}`);
        assert.ok(isUsable(sample) && sample.work > 0 && sample.cpuSeconds > 0);
      }
    }
    assert.ok(notes.some((note) => /requests\/s in absolute form, .* tunnels\/s/.test(note)));
    await untilNobodyLives(run);
  });

  it('counts a fixed rate, not what a closed loop would reach', { timeout: 60_000 }, async () => {
    const out = join(folder, 'rate');
    const { child, text } = bench(
      ...['--scenario', 'layers/udp-latency', '--quick', '--seconds', '0.5', '--out', out],
    );
    const [code] = await once(child, 'close');
    assert.equal(code, 0, text());
    for (const { rate, intendedRate } of readReport(out).cases[0]!.samples) {
      assert.ok(intendedRate !== null && rate < 1.5 * intendedRate, `${rate} of ${intendedRate}`);
    }
  });

  it('names who is not there and goes on without', { timeout: 60_000 }, async () => {
    const out = join(folder, 'missing');
    const { child, text } = bench(
      ...['--scenario', 'rivals/tcp-small', '--quick', '--rounds', '1', '--seconds', '0.1'],
      ...['--proxies', 'native', '--out', out],
    );
    const [code] = await once(child, 'close');
    assert.equal(code, 0, text());
    const report = readReport(out);
    assert.deepEqual(
      report.contestants.map(({ id }) => id),
      ['native'],
    );
    assert.match(text(), /goal: .*nginx.*no figure/);
  });

  for (const driver of ['wrk', 'autocannon']) {
    const isThere = driver !== 'wrk' || findProgram('wrk') !== null;
    const skip = isThere ? false : `LOUDLY SKIPPED: ${driver} is not installed`;
    it(`is driven over HTTP by ${driver} too`, { timeout: 60_000, skip }, async () => {
      const out = join(folder, driver);
      const { child, text } = bench(
        ...['--scenario', 'engines/http-small', '--proxies', 'native', '--driver', driver],
        ...['--quick', '--rounds', '1', '--out', out],
      );
      const [code] = await once(child, 'close');
      assert.equal(code, 0, text());
      const { method, cases, notes } = readReport(out);
      assert.match(method.driverVersion, new RegExp(`^${driver} \\d+\\.`));
      const [sample] = cases[0]?.samples ?? [];
      assert.ok(sample && isUsable(sample) && sample.generatorCpuSeconds > 0);
      assert.ok(notes.some((note) => note.includes('whole seconds')));
    });
  }

  it('stops when nobody reads what it says', { timeout: 60_000 }, async () => {
    const run = bench('--scenario', 'rivals/udp-64x4', '--quick', '--rounds', '50');
    await run.saying('this takes about');
    living(run);
    run.child.stdout?.destroy();
    const [code] = await once(run.child, 'exit');
    assert.equal(code, 130);
    await untilNobodyLives(run);
  });

  it('has a network of its own, with the default congestion control, where that is permitted', {
    timeout: 60_000,
    skip: typeof way === 'string' ? `LOUDLY SKIPPED: ${way}` : false,
  }, async () => {
    const parameters = ['--scenario', 'rivals/udp-64x4', '--proxies', 'native', '--quick'];
    const outs = [join(folder, 'own'), join(folder, 'host')];
    for (const [i, network] of ['own', 'host'].entries()) {
      const { child, text } = bench(...parameters, '--network', network, '--out', outs[i] ?? '');
      const [code] = await once(child, 'close');
      assert.equal(code, 0, text());
    }
    const [own, host] = outs.map(readReport);
    assert.deepEqual([own?.machine.network, own?.machine.congestionControl], ['own', 'cubic']);
    const control = congestionControl();
    assert.deepEqual([host?.machine.network, host?.machine.congestionControl], ['host', control]);
    const isNamed = host?.notes.some((note) => note.includes(`host's network is ${control}`));
    assert.equal(isNamed, control !== 'cubic');
  });
});

describe('the end of a run', () => {
  const LONG = ['--scenario', 'rivals/udp-64x4', '--seconds', '30'];
  const networks = typeof way === 'string' ? ['host'] : ['own', 'host'];

  /** Resolves once generator, origin and proxies are up and the run is in the middle of its work. */
  async function underWay(network: string): Promise<Bench> {
    const run = bench(...LONG, '--network', network);
    await run.saying('] rivals/udp-64x4');
    const deadline = Date.now() + PATIENCE_MS;
    while (!living(run).some((line) => line.includes('load-udp'))) {
      assert.ok(Date.now() < deadline, `no load:\n${living(run).join('\n')}\n${run.text()}`);
      await sleep(50);
    }
    return run;
  }

  for (const network of networks) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      it(`leaves nobody behind after ${signal} (network: ${network})`, {
        timeout: 60_000,
      }, async () => {
        const run = await underWay(network);
        const { child, text } = run;
        child.kill(signal);
        const [code] = await once(child, 'close');
        assert.equal(code, 130, text());
        assert.match(text(), new RegExp(`stopped by ${signal}`));
        await untilNobodyLives(run);
      });
    }

    it(`leaves nobody behind when it is killed (network: ${network})`, {
      timeout: 60_000,
    }, async () => {
      const run = await underWay(network);
      const { child } = run;
      child.kill('SIGKILL');
      await once(child, 'exit');
      await untilNobodyLives(run);
    });
  }

  it('leaves nobody behind when the process inside its network is killed', {
    timeout: 60_000,
    skip: typeof way === 'string' ? `LOUDLY SKIPPED: ${way}` : false,
  }, async () => {
    const run = await underWay('own');
    const { child } = run;
    const inside = living(run).filter((line) => line.includes(' bench '));
    const pid = inside.map((line) => Number(line.split(' ', 1)[0])).find((id) => id !== child.pid);
    assert.ok(pid, inside.join('\n'));
    process.kill(pid, 'SIGKILL');
    const [code] = await once(child, 'close');
    assert.notEqual(code, 0);
    await untilNobodyLives(run);
  });

  it('removes the folder of its programs', { timeout: 60_000 }, async () => {
    const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
    const run = await underWay('host');
    const { child } = run;
    living(run);
    const place = join(parent, [...run.places][0] ?? 'none');
    assert.ok(existsSync(place), place);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await untilNobodyLives(run);
    assert.ok(!existsSync(place));
  });
});
