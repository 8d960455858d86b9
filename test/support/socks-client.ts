// A SOCKS client, ours: says exactly what it is told to, and reads the answers byte by byte. What comes behind them
// belongs to the tunnel. It shares no code with what it tests.
import net from 'node:net';
import type { RawConnection } from './raw-connection.ts';

export interface SocksReply {
  readonly code: number;
  /** The address that the proxy says it uses: `127.0.0.1:40000`, `[::1]:40000`. */
  readonly bound: string;
  readonly boundPort: number;
}

export const CONNECT = 1;
export const BIND = 2;
export const ASSOCIATE = 3;

export class SocksClient {
  readonly connection: RawConnection;
  #taken = 0;

  constructor(connection: RawConnection) {
    this.connection = connection;
  }

  /** Everything behind the answers that were read. */
  get rest(): Buffer {
    return this.connection.received.subarray(this.#taken);
  }

  get text(): string {
    return this.rest.toString('latin1');
  }

  send(bytes: string | Uint8Array): void {
    this.connection.send(bytes);
  }

  /** The next `length` bytes. */
  async take(length: number): Promise<Buffer> {
    const from = this.#taken;
    this.#taken += length;
    const all = await this.connection.until(`${length} bytes of an answer`, (bytes) =>
      bytes.length >= from + length ? bytes : undefined,
    );
    return Buffer.from(all.subarray(from, from + length));
  }

  /** Until the tunnel has brought `text`. */
  async receivedText(text: string): Promise<void> {
    const from = this.#taken;
    await this.connection.until(JSON.stringify(text), (bytes) =>
      bytes.subarray(from).includes(Buffer.from(text, 'latin1')) ? true : undefined,
    );
  }

  /** Offers methods; the one that the proxy chose. */
  async greet(methods: readonly number[] = [0]): Promise<number> {
    this.send(greeting(methods));
    return this.method();
  }

  async method(): Promise<number> {
    const answer = await this.take(2);
    if (answer[0] !== 5) throw new Error(`no choice of method: ${answer.toString('hex')}`);
    return answer[1]!;
  }

  /** RFC 1929; the status, 0 is welcome. */
  async logIn(name: string | Uint8Array, password: string | Uint8Array): Promise<number> {
    this.send(login(name, password));
    const answer = await this.take(2);
    if (answer[0] !== 1) throw new Error(`no answer to a login: ${answer.toString('hex')}`);
    return answer[1]!;
  }

  async request(command: number, host: string, port: number): Promise<SocksReply> {
    this.send(request(command, host, port));
    return this.reply();
  }

  async reply(): Promise<SocksReply> {
    const head = await this.take(4);
    if (head[0] !== 5 || head[2] !== 0) throw new Error(`no reply: ${head.toString('hex')}`);
    const isV6 = head[3] === 4;
    if (!isV6 && head[3] !== 1) throw new Error(`no address in a reply: ${head.toString('hex')}`);
    const rest = await this.take(isV6 ? 18 : 6);
    const host = hostOf(rest.subarray(0, -2));
    const boundPort = rest.readUInt16BE(rest.length - 2);
    return {
      code: head[1]!,
      bound: isV6 ? `[${host}]:${boundPort}` : `${host}:${boundPort}`,
      boundPort,
    };
  }

  /** Without a login: greets, asks to be connected, and gives the code of the reply. */
  async open(host: string, port: number): Promise<number> {
    const method = await this.greet();
    if (method !== 0) throw new Error(`the proxy chose method ${method}`);
    return (await this.request(CONNECT, host, port)).code;
  }

  /** Version 4, or 4a for a host that is no IPv4 address; the code of the reply. */
  async open4(host: string, port: number, user = ''): Promise<number> {
    this.send(request4(CONNECT, host, port, user));
    return this.reply4();
  }

  async reply4(): Promise<number> {
    const answer = await this.take(8);
    if (answer[0] !== 0) throw new Error(`no reply: ${answer.toString('hex')}`);
    return answer[1]!;
  }
}

export function greeting(methods: readonly number[]): Buffer {
  return Buffer.from([5, methods.length, ...methods]);
}

export function login(name: string | Uint8Array, password: string | Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(1), sized(name), sized(password)]);
}

export function request(command: number, host: string, port: number): Buffer {
  return Buffer.concat([Buffer.of(5, command, 0), addressOf(host, port)]);
}

export function request4(command: number, host: string, port: number, user = ''): Buffer {
  const isAddress = net.isIPv4(host);
  return Buffer.concat([
    Buffer.of(4, command),
    portOf(port),
    Buffer.from(isAddress ? host.split('.').map(Number) : [0, 0, 0, 1]),
    Buffer.from(`${user}\0`, 'latin1'),
    Buffer.from(isAddress ? '' : `${host}\0`, 'latin1'),
  ]);
}

/** A datagram for the relay of an association, or what it says of one that came back. */
export interface Enclosed {
  readonly host: string;
  readonly port: number;
  readonly payload: Buffer;
}

export function enclose(
  host: string,
  port: number,
  payload: string | Uint8Array,
  fragment = 0,
): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  return Buffer.concat([Buffer.of(0, 0, fragment), addressOf(host, port), bytes]);
}

export function disclose(datagram: Buffer): Enclosed {
  const isV6 = datagram[3] === 4;
  const isV4 = datagram[3] === 1;
  if (datagram.readUIntBE(0, 3) !== 0 || (!isV4 && !isV6)) {
    throw new Error(`no enclosed datagram: ${datagram.toString('hex')}`);
  }
  const end = isV6 ? 20 : 8;
  return {
    host: hostOf(datagram.subarray(4, end)),
    port: datagram.readUInt16BE(end),
    payload: Buffer.from(datagram.subarray(end + 2)),
  };
}

function addressOf(host: string, port: number): Buffer {
  if (net.isIPv4(host)) {
    return Buffer.concat([Buffer.from([1, ...host.split('.').map(Number)]), portOf(port)]);
  }
  if (net.isIPv6(host)) return Buffer.concat([Buffer.of(4), ipv6Bytes(host), portOf(port)]);
  return Buffer.concat([Buffer.of(3), sized(host), portOf(port)]);
}

function portOf(port: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(port);
  return bytes;
}

function sized(text: string | Uint8Array): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

/** Of an address that is written with `::` once at most and without an IPv4 part. */
function ipv6Bytes(host: string): Buffer {
  const [head = [], tail] = host.split('::').map((part) => part.split(':').filter(Boolean));
  const groups = [
    ...head,
    ...Array<string>(8 - head.length - (tail?.length ?? 0)).fill('0'),
    ...(tail ?? []),
  ];
  const bytes = Buffer.alloc(16);
  groups.forEach((group, i) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * i);
  });
  return bytes;
}

function hostOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return new net.SocketAddress({ family: 'ipv6', address: groups.join(':') }).address;
}
