import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { type ClientHello, readClientHello } from '../../../../src/engine/shared/client-hello.ts';

const vectors = readFileSync(new URL('../../../vectors/client-hello.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [what = '', bytes = '', ...expected] = line.split('\t');
    return { what, bytes: bytesOf(bytes), expected: expected.join(' ') };
  });

function bytesOf(text: string): Buffer {
  const digits = text.replace(/\(([0-9a-f]{2})\*([0-9]+)\)/g, (_, byte: string, count: string) =>
    byte.repeat(Number(count)),
  );
  return Buffer.from(digits === '-' ? '' : digits, 'hex');
}

function describeHello(hello: ClientHello): string {
  if (hello.kind !== 'hello') return hello.kind;
  return `hello ${hello.serverName || "''"} ${hello.alpn.join(',') || "''"}`;
}

describe('ClientHellos', () => {
  it('are read as the shared vectors say', () => {
    assert.ok(vectors.length > 90);
    for (const { what, bytes, expected } of vectors) {
      assert.equal(describeHello(readClientHello(bytes)), expected, what);
    }
  });

  it('ask for more at every cut until they are whole', () => {
    for (const { what, bytes, expected } of vectors) {
      if (!expected.startsWith('hello') || bytes.length > 4096) continue;
      let cut = 0;
      while (readClientHello(bytes.subarray(0, cut)).kind === 'more') cut++;
      for (let more = cut; more <= bytes.length; more++) {
        assert.equal(describeHello(readClientHello(bytes.subarray(0, more))), expected, what);
      }
    }
  });
});
