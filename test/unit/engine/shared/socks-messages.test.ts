import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ERROR_CODE_NAMES, type ErrorCode } from '../../../../src/contract/codes.ts';
import {
  readDatagram,
  readGreeting,
  readLogin,
  readLoginReply,
  readMethod,
  readReply,
  readRequest,
  readSocks4Request,
  type SocksAddress,
  type SocksRead,
  writeDatagramHeader,
  writeGreeting,
  writeLogin,
  writeLoginReply,
  writeMethod,
  writeReply,
  writeRequest,
  writeSocks4Reply,
} from '../../../../src/engine/shared/socks-messages.ts';
import { socks4ReplyOf, socksReplyOf } from '../../../../src/engine/shared/socks-outcome.ts';

interface Vector {
  readonly line: string;
  readonly kind: string;
  readonly fields: readonly string[];
}

const vectors: readonly Vector[] = readFileSync(
  new URL('../../../vectors/socks.txt', import.meta.url),
  'utf8',
)
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [kind = '', ...fields] = line.split('\t').map(unescaped);
    return { line, kind, fields };
  });

/** As latin1. */
function unescaped(text: string): string {
  if (text === "''") return '';
  return text.replace(
    /\\(?:x([0-9a-f]{2})|\*([0-9a-f]{2})([0-9]+);|\\)/g,
    (_, one?: string, many?: string, count?: string) => {
      if (one === undefined && many === undefined) return '\\';
      return String.fromCharCode(Number.parseInt(one ?? many ?? '', 16)).repeat(Number(count ?? 1));
    },
  );
}

const text = (bytes: Buffer): string => bytes.toString('latin1');
const spread = ({ type, host, port }: SocksAddress): string[] => [type, host, String(port)];

function outcome<T>(read: SocksRead<T>, describeMessage: (message: T) => string[]): string[] {
  return read.kind === 'done'
    ? [String(read.length), ...describeMessage(read.message)]
    : [read.kind];
}

const READERS: Readonly<Record<string, (input: Buffer) => string[]>> = {
  greeting: (input) => outcome(readGreeting(input), (methods) => [text(methods)]),
  method: (input) => outcome(readMethod(input), (method) => [String(method)]),
  login: (input) => outcome(readLogin(input), ({ name, password }) => [text(name), text(password)]),
  'login-reply': (input) => outcome(readLoginReply(input), (status) => [String(status)]),
  request: (input) => outcome(readRequest(input), (m) => [String(m.command), ...spread(m.address)]),
  reply: (input) => outcome(readReply(input), (m) => [String(m.code), ...spread(m.bound)]),
  request4: (input) =>
    outcome(readSocks4Request(input), (m) => [
      String(m.command),
      ...spread(m.address),
      text(m.user),
    ]),
  datagram: (input) => outcome(readDatagram(input), spread),
};

function address([type, host, port]: readonly string[]): SocksAddress {
  return { type: type as SocksAddress['type'], host: host ?? '', port: Number(port) };
}

const WRITERS: Readonly<Record<string, (...fields: string[]) => Buffer>> = {
  method: (method) => writeMethod(Number(method)),
  'login-reply': (verdict) => writeLoginReply(verdict === 'welcome'),
  reply: (code, ...to) => writeReply(Number(code), address(to)),
  reply4: (code) => writeSocks4Reply(Number(code)),
  datagram: (...from) => writeDatagramHeader(address(from)),
  greeting: (method) => writeGreeting(method === 'login'),
  login: (name = '', password = '') =>
    writeLogin(Buffer.from(name, 'latin1'), Buffer.from(password, 'latin1')),
  request: (command, ...to) => writeRequest(Number(command), address(to)),
};

describe('SOCKS messages', () => {
  const reads = vectors.filter(({ kind }) => kind !== 'write' && kind !== 'outcome');
  const writes = vectors.filter(({ kind }) => kind === 'write');

  it('are read as the shared vectors say', () => {
    assert.ok(reads.length > 100);
    for (const { line, kind, fields } of reads) {
      const [input = '', ...expected] = fields;
      assert.deepEqual(READERS[kind]?.(Buffer.from(input, 'latin1')), expected, line);
    }
  });

  it('ask for more at every cut, but for datagrams, which are whole or bad', () => {
    for (const { line, kind, fields } of reads) {
      const [input = '', length = ''] = fields;
      const short = kind === 'datagram' ? 'bad' : 'more';
      for (let cut = 0; cut < (Number.parseInt(length, 10) || 0); cut++) {
        const cutInput = Buffer.from(input.slice(0, cut), 'latin1');
        assert.deepEqual(READERS[kind]?.(cutInput), [short], `${line} at ${cut}`);
      }
    }
  });

  it('are written as the shared vectors say', () => {
    assert.ok(writes.length > 15);
    for (const { line, fields } of writes) {
      const [what = '', ...rest] = fields;
      const expected = rest.pop() ?? '';
      assert.equal(text(WRITERS[what]?.(...rest) ?? Buffer.alloc(0)), expected, line);
    }
  });

  it('tell of failures as the shared vectors say', () => {
    const outcomes = vectors.filter(({ kind }) => kind === 'outcome');
    assert.ok(outcomes.length > 20);
    for (const { line, fields } of outcomes) {
      const [code = '', ...expected] = fields;
      assert.ok(ERROR_CODE_NAMES.includes(code as ErrorCode), line);
      const told = [socksReplyOf(code as ErrorCode), socks4ReplyOf(code as ErrorCode)];
      assert.deepEqual(told.map(String), expected, line);
    }
  });

  it('tell no address where there is none', () => {
    assert.equal(text(writeReply(1, null)), '\x05\x01\0\x01\0\0\0\0\0\0');
  });
});
