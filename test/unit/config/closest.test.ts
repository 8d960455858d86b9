import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { closest } from '../../../src/config/closest.ts';

describe('did-you-mean', () => {
  const words = ['address', 'maxConnections', 'pool', 'pools', 'tcp', 'udp', 'http'];

  it('finds the word behind a slip of the keyboard or another convention', () => {
    assert.equal(closest('adress', words), 'address');
    assert.equal(closest('Address', words), 'address');
    assert.equal(closest('max-connections', words), 'maxConnections');
    assert.equal(closest('max_connectoins', words), 'maxConnections');
    assert.equal(closest('tpc', words), 'tcp');
    assert.equal(closest('poll', words), 'pool');
    assert.equal(closest('poools', words), 'pools');
  });

  it('suggests nothing where nothing is near', () => {
    for (const word of ['x', 'abc', 'weight', 'listen', ''])
      assert.equal(closest(word, words), null, word);
    assert.equal(closest('pool', []), null);
  });
});
