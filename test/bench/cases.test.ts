// The tables of cases hold together: what a case names exists, and what shares a name agrees.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { arrivalKind, type Case, originPort } from '../../src/bench/cases.ts';
import { configOf } from '../../src/bench/configuration.ts';
import { CONTESTANTS, contestantOf } from '../../src/bench/contestants.ts';
import { coresForWorkers } from '../../src/bench/cores.ts';
import { SCENARIO_NAMES } from '../../src/bench/report.ts';
import { allCases } from '../../src/bench/scenarios/all.ts';
import { squid } from '../../src/bench/squid.ts';
import { isForward } from '../../src/bench/work.ts';
import { parseConfig } from '../../src/config/parse.ts';

const EXTENTS = [
  { isQuick: true, cores: 1 },
  { isQuick: true, cores: 2 },
  { isQuick: false, cores: 2 },
  { isQuick: false, cores: 24 },
];

for (const extent of EXTENTS) {
  const cases = allCases(extent);
  describe(`cases of a ${extent.isQuick ? 'quick' : 'full'} run on ${extent.cores} cores`, () => {
    it('have ids of their own, which begin with their scenario', () => {
      assert.equal(new Set(cases.map(({ id }) => id)).size, cases.length);
      for (const { id, scenario } of cases) {
        assert.ok(SCENARIO_NAMES.includes(scenario));
        assert.match(id, new RegExp(`^${scenario}/[a-z0-9-]+$`));
      }
    });

    it('name contestants that exist and relay what the case sends', () => {
      for (const { id, contestants, protocol } of cases) {
        assert.ok(contestants.length >= 2, id);
        for (const name of contestants) {
          const { protocols, relaysAs } = contestantOf(name);
          assert.ok(protocols.includes(relaysAs ?? protocol), `${id}: ${name}`);
        }
      }
    });

    it('have goals about contestants that take part', () => {
      for (const { id, goals, contestants } of cases) {
        for (const { of, to, most } of goals) {
          assert.ok(contestants.includes(of) && (to === null || contestants.includes(to)), id);
          assert.ok(most > 0);
        }
      }
    });

    it('stand on one curve only with cases of the same kind, each at a place of its own', () => {
      const curves = new Map<string, Case[]>();
      for (const item of cases) {
        if (item.series === null) continue;
        const name = `${item.scenario}/${item.series.name}`;
        curves.set(name, [...(curves.get(name) ?? []), item]);
      }
      assert.ok(curves.size >= 4);
      for (const [name, points] of curves) {
        const shape = ({ unit, protocol, contestants, series }: Case): unknown => {
          return { unit, protocol, contestants, series: { ...series, value: null } };
        };
        for (const point of points) assert.deepEqual(shape(point), shape(points[0]!), name);
        const values = points.map(({ series }) => series?.value ?? 0);
        assert.deepEqual(
          values,
          [...new Set(values)].sort((a, b) => a - b),
          name,
        );
      }
    });

    it('take their peak from someone who takes part', () => {
      for (const item of cases) {
        if (item.peakShare === null) continue;
        assert.ok(item.contestants.includes(item.peakShare.of));
        assert.equal(arrivalKind(item), 'poisson');
        assert.ok(item.peakShare.share > 0 && item.peakShare.share < 1);
      }
    });

    it('go through a forward proxy where it is one that takes part', () => {
      for (const { id, protocol, work } of cases) {
        assert.equal(isForward(work), protocol === 'forward', id);
      }
    });

    it('ask for a port that the origin has, and the protocol that goes with it', () => {
      for (const item of cases) {
        const port = originPort(item);
        assert.equal(port === 'udp', item.protocol === 'udp', item.id);
        if (item.protocol === 'http') assert.equal(port, 'http', item.id);
      }
    });
  });
}

describe('contestants', () => {
  it('have ids of their own, and variants of what exists', () => {
    const ids = CONTESTANTS.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    for (const { variantOf } of CONTESTANTS) assert.ok(!variantOf || ids.includes(variantOf));
  });

  it('get a configuration that Sluice itself takes, in each protocol', () => {
    for (const protocol of ['http', 'tcp', 'udp', 'forward'] as const) {
      for (const splice of ['auto', 'never', 'always'] as const) {
        const relay = {
          protocol,
          splice,
          workers: 1,
          listenPort: 1_080,
          targetPort: 81,
          folder: '/x',
        };
        const listener = configOf(relay).listeners.bench;
        assert.equal(listener?.protocol, protocol);
        if (listener?.protocol !== 'udp') assert.equal(listener?.splice, splice);
      }
    }
    assert.throws(() => parseConfig({}));
  });

  it('are forward proxies for loopback, CONNECT to any port included, where that is the work', () => {
    const relay = {
      protocol: 'forward',
      splice: 'auto',
      workers: 1,
      listenPort: 1_080,
      targetPort: 81,
      folder: '/x',
    } as const;
    const listener = configOf(relay).listeners.bench;
    assert.ok(listener?.protocol === 'forward');
    assert.deepEqual(listener.privateDestinations, [
      { family: 'ipv4', host: '127.0.0.0', bits: 8 },
    ]);
    assert.deepEqual(listener.connectPorts, [{ first: 1, last: 65_535 }]);
    const { configuration = '', command = [] } = squid.prepare?.(relay) ?? {};
    assert.match(configuration, /^http_port 127\.0\.0\.1:1080\nworkers 1\n/);
    assert.match(configuration, /^cache deny all\naccess_log none\ncache_store_log none\n/m);
    // One process: there is no daemon beside it.
    assert.ok(command.includes('-N'));
  });

  it('get one version, cipher and curve of TLS where they are to end it', () => {
    const listener = configOf({
      protocol: 'http',
      splice: 'auto',
      workers: 1,
      listenPort: 1_080,
      targetPort: 81,
      folder: '/x',
      certificate: '/x/a.pem',
    }).listeners.bench;
    assert.ok(listener?.protocol === 'https');
    const { certificates, minVersion, cipherSuites, curves } = listener.tls;
    assert.deepEqual(certificates, [{ cert: '/x/a.pem', key: '/x/a.pem.key', ocsp: null }]);
    assert.deepEqual(
      [minVersion, cipherSuites, curves],
      ['TLSv1.3', ['TLS_AES_128_GCM_SHA256'], ['X25519']],
    );
  });
});

describe('cores for workers', () => {
  const cores = { proxyCores: [1], loadCores: [0] };

  it("takes the proxies' own first and the load's last", () => {
    assert.deepEqual(coresForWorkers(1, 4, cores), [1]);
    assert.deepEqual(coresForWorkers(2, 4, cores), [1, 2]);
    assert.deepEqual(coresForWorkers(4, 4, cores), [1, 2, 3, 0]);
  });

  it('keeps all cores that were set aside for proxies', () => {
    assert.deepEqual(coresForWorkers(1, 4, { proxyCores: [2, 3], loadCores: [0] }), [2, 3]);
    assert.deepEqual(coresForWorkers(2, 4, { proxyCores: [1, 2, 3], loadCores: [0] }), [1, 2, 3]);
  });
});
