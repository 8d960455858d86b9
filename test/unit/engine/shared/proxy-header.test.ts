import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { IpPort } from '../../../../src/engine/shared/client-address.ts';
import {
  type ProxyHeader,
  readDatagramHeader,
  readProxyHeader,
  writeDatagramHeader,
  writeProxyHeader,
} from '../../../../src/engine/shared/proxy-header.ts';

const lines = readFileSync(new URL('../../../vectors/proxy-header.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split('\t') as [string, string, string, string, string]);

function bytesOf(text: string): Buffer {
  if (text === "''") return Buffer.alloc(0);
  const plain = text.replace(
    /\\(?:x([0-9a-f]{2})|\*([0-9a-f]{2})([0-9]+);|\\)/g,
    (_, one?: string, many?: string, count?: string) => {
      if (one === undefined && many === undefined) return '\\';
      const byte = String.fromCharCode(Number.parseInt(one ?? many ?? '', 16));
      return byte.repeat(Number(count ?? 1));
    },
  );
  return Buffer.from(plain, 'latin1');
}

const textOf = ({ host, port }: IpPort): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

function describeHeader(read: ProxyHeader): string {
  if (read.kind !== 'header') return read.kind;
  const { length, addresses } = read;
  if (addresses === null) return `${length} own`;
  return `${length} ${textOf(addresses.source)} ${textOf(addresses.destination)}`;
}

function addressOf(text: string): IpPort | null {
  const match = /^\[?([^\]]*?)\]?:([0-9]+)$/.exec(text);
  return match === null ? null : { host: match[1]!, port: Number(match[2]) };
}

describe('PROXY headers', () => {
  const reads = lines.filter(([what]) => what === 'read');
  const writes = lines.filter(([what]) => what === 'write');

  it('are read as the shared vectors say', () => {
    assert.ok(reads.length > 150);
    for (const [, input, expected] of reads) {
      assert.equal(describeHeader(readProxyHeader(bytesOf(input))), expected, input);
    }
  });

  it('ask for more at every cut', () => {
    for (const [, input, expected] of reads) {
      const length = Number.parseInt(expected, 10);
      const bytes = bytesOf(input);
      for (let cut = 0; cut < Math.min(length || 0, 400); cut++) {
        assert.equal(readProxyHeader(bytes.subarray(0, cut)).kind, 'more', `${input} at ${cut}`);
      }
    }
  });

  it('are written as the shared vectors say, and understood again', () => {
    assert.ok(writes.length > 10);
    for (const [, version, source, destination, expected] of writes) {
      const written = writeProxyHeader(
        version as 'v1' | 'v2',
        addressOf(source),
        addressOf(destination),
      );
      assert.deepEqual(written, bytesOf(expected), `${version} ${source} ${destination}`);
      const read = readProxyHeader(written);
      assert.equal(read.kind === 'header' && read.length, written.length);
    }
  });

  it('of datagrams are read and written as the shared vectors say', () => {
    const datagrams = lines.filter(([what]) => what === 'datagram');
    assert.ok(datagrams.length > 20);
    for (const [, input, expected] of datagrams) {
      assert.equal(describeHeader(readDatagramHeader(bytesOf(input))), expected, input);
    }
    const written = lines.filter(([what]) => what === 'write-datagram');
    assert.ok(written.length > 3);
    for (const [, source, destination, expected] of written) {
      const header = writeDatagramHeader(addressOf(source), addressOf(destination));
      assert.deepEqual(header, bytesOf(expected), `${source} ${destination}`);
    }
  });
});
