// A name server over UDP that answers what a test tells it to (RFC 1035), and records what it was asked.
import dgram from 'node:dgram';
import { once } from 'node:events';

const TYPES = { A: 1, CNAME: 5, AAAA: 28 } as const;
export type DnsType = 'A' | 'AAAA';

export interface DnsRecord {
  readonly name: string;
  readonly type: keyof typeof TYPES;
  readonly ttl: number;
  readonly data: string;
}

/** RCODE of RFC 1035 4.1.1. */
export const NOERROR = 0;
export const SERVFAIL = 2;
export const NXDOMAIN = 3;

/** 'silence': nothing is answered. */
export type DnsReply =
  | 'silence'
  | { readonly code: number; readonly records?: readonly DnsRecord[] };

export type Answering = (name: string, type: DnsType) => DnsReply | Promise<DnsReply>;

export interface DnsQuestion {
  readonly name: string;
  readonly type: DnsType;
}

export class DnsResponder {
  readonly questions: DnsQuestion[] = [];
  /** May be replaced while it runs. */
  answering: Answering;
  readonly #socket: dgram.Socket;

  private constructor(socket: dgram.Socket, answering: Answering) {
    this.#socket = socket;
    this.answering = answering;
    socket.on('message', (message, from) => {
      void this.#answer(message).then((answer) => {
        if (answer !== null) socket.send(answer, from.port, from.address);
      });
    });
  }

  static async open(answering: Answering): Promise<DnsResponder> {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new DnsResponder(socket, answering);
  }

  /** As `resolver.servers` takes it. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  /** How often `name` was asked for, with either type. */
  asked(name: string): number {
    return this.questions.filter((question) => question.name === name).length;
  }

  async close(): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  async #answer(message: Buffer): Promise<Buffer | null> {
    const { name, type, end } = readQuestion(message);
    this.questions.push({ name, type });
    const reply = await this.answering(name, type);
    if (reply === 'silence') return null;
    const records = reply.records ?? [];
    const head = Buffer.alloc(12);
    message.copy(head, 0, 0, 2);
    // QR, RD as asked, RA.
    head.writeUInt16BE(0x8080 | (message.readUInt16BE(2) & 0x0100) | reply.code, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length, 6);
    return Buffer.concat([head, message.subarray(12, end), ...records.map(writeRecord)]);
  }
}

/** Answers from a table: a list of records, or a reply; what is not in it does not exist. */
export function answersOf(
  table: Readonly<Record<string, readonly DnsRecord[] | DnsReply>>,
): Answering {
  return (name, type) => {
    const found = table[name];
    if (found === undefined) return { code: NXDOMAIN };
    if (found === 'silence' || 'code' in found) return found;
    return { code: NOERROR, records: chain(found, name, type) };
  };
}

export const a = (name: string, data: string, ttl = 60): DnsRecord => ({
  name,
  type: 'A',
  ttl,
  data,
});
export const aaaa = (name: string, data: string, ttl = 60): DnsRecord => ({
  name,
  type: 'AAAA',
  ttl,
  data,
});
export const cname = (name: string, data: string, ttl = 60): DnsRecord => ({
  name,
  type: 'CNAME',
  ttl,
  data,
});

/** The records of one type, and the aliases that lead to them. */
function chain(records: readonly DnsRecord[], name: string, type: DnsType): DnsRecord[] {
  const alias = records.find((record) => record.type === 'CNAME' && record.name === name);
  if (alias !== undefined) return [alias, ...chain(records, alias.data, type)];
  return records.filter((record) => record.type === type && record.name === name);
}

function readQuestion(message: Buffer): DnsQuestion & { readonly end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at]!; length > 0; length = message[at]!) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = message.readUInt16BE(at + 1) === TYPES.AAAA ? 'AAAA' : 'A';
  return { name: labels.join('.').toLowerCase(), type, end: at + 5 };
}

function writeRecord({ name, type, ttl, data }: DnsRecord): Buffer {
  const bytes =
    type === 'CNAME' ? writeName(data) : type === 'A' ? writeIpv4(data) : writeIpv6(data);
  const middle = Buffer.alloc(10);
  middle.writeUInt16BE(TYPES[type], 0);
  middle.writeUInt16BE(1, 2);
  middle.writeUInt32BE(ttl, 4);
  middle.writeUInt16BE(bytes.length, 8);
  return Buffer.concat([writeName(name), middle, bytes]);
}

function writeName(name: string): Buffer {
  const labels = name.split('.').map((label) => {
    const bytes = Buffer.from(label, 'latin1');
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  });
  return Buffer.concat([...labels, Buffer.from([0])]);
}

function writeIpv4(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

function writeIpv6(text: string): Buffer {
  const [head = '', tail] = text.split('::');
  const words = (part: string) => (part === '' ? [] : part.split(':'));
  const before = words(head);
  const after = words(tail ?? '');
  const zeros = Array<string>(tail === undefined ? 0 : 8 - before.length - after.length).fill('0');
  const bytes = Buffer.alloc(16);
  [...before, ...zeros, ...after].forEach((word, i) => {
    bytes.writeUInt16BE(Number.parseInt(word, 16), 2 * i);
  });
  return bytes;
}
