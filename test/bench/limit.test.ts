// What held a sample back.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limitOf, type Use } from '../../src/bench/limit.ts';

const idle: Use = {
  wallSeconds: 2,
  proxyCpuSeconds: 0.5,
  proxyCores: 1,
  generatorCpuSeconds: 0.4,
  originCpuSeconds: 0.4,
  loadCoresBusySeconds: 0.9,
  loadCores: 1,
};

describe('the limit of a sample', () => {
  it('is nothing where everybody had time to spare', () => {
    assert.equal(limitOf(idle), null);
  });

  it('is the proxy when its workers had no time to spare, even if others had none either', () => {
    assert.equal(limitOf({ ...idle, proxyCpuSeconds: 1.95 }), 'proxy');
    assert.equal(limitOf({ ...idle, proxyCpuSeconds: 1.95, generatorCpuSeconds: 2 }), 'proxy');
    assert.equal(limitOf({ ...idle, proxyCpuSeconds: 1.95, proxyCores: 2 }), null);
    assert.equal(limitOf({ ...idle, proxyCpuSeconds: 3.9, proxyCores: 2 }), 'proxy');
  });

  it('is the generator or the origin when its one thread was always on a core', () => {
    assert.equal(limitOf({ ...idle, generatorCpuSeconds: 1.96 }), 'generator');
    assert.equal(limitOf({ ...idle, originCpuSeconds: 1.96, loadCores: 3 }), 'origin');
  });

  it('is the core that generator and origin share when they filled it together', () => {
    const shared = { ...idle, generatorCpuSeconds: 1, originCpuSeconds: 0.95 };
    assert.equal(limitOf(shared), 'load core');
    assert.equal(limitOf({ ...shared, loadCores: 2 }), null);
  });

  it('is the load core when the kernel or a stranger filled it', () => {
    assert.equal(limitOf({ ...idle, loadCoresBusySeconds: 1.95 }), 'load core');
    assert.equal(limitOf({ ...idle, loadCoresBusySeconds: null, generatorCpuSeconds: 1.8 }), null);
  });

  it('is not told from a sample without length', () => {
    assert.equal(limitOf({ ...idle, wallSeconds: 0 }), null);
  });
});
