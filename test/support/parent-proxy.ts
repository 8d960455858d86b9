// Parent proxies, ours: they note what they are asked for and do what a test says. They connect to the loopback
// interface whatever name they are given, which shows that nobody else had to resolve it.
import net from 'node:net';
import type { RawConnection } from './raw-connection.ts';
import { parseHead } from './strict-http.ts';
import { startTcpTarget, type TcpTarget, type TcpTargetOptions } from './tcp-target.ts';

export interface HttpParentOptions extends TcpTargetOptions {
  /** What it answers to CONNECT; without it the tunnel is opened. */
  readonly answer?: (head: string) => string | undefined;
}

export interface Parent {
  readonly target: TcpTarget;
  readonly address: string;
  /** The heads of all CONNECT requests; of SOCKS parents: `host:port`, with `name:password@` before it. */
  readonly asked: string[];
  close(): Promise<void>;
}

/** Opens tunnels. */
export async function startHttpParent(options: HttpParentOptions = {}): Promise<Parent> {
  const asked: string[] = [];
  const onConnection = async (connection: RawConnection): Promise<void> => {
    const head = await connection.until(
      'a CONNECT',
      (bytes) => {
        const parsed = parseHead(bytes, 0);
        return parsed.kind === 'complete' ? parsed.message : undefined;
      },
      600_000,
    );
    const text = connection.received.toString('latin1', 0, head.end);
    asked.push(text);
    const answer = options.answer?.(text);
    if (answer !== undefined) {
      connection.send(answer);
      return;
    }
    const port = Number(/^CONNECT [^ ]*:(\d+) /.exec(text)?.[1]);
    tunnel(connection, port, head.end, 'HTTP/1.1 200 OK\r\nVia: 1.1 parent\r\n\r\n');
  };
  const target = await startTcpTarget({
    ...options,
    onConnection: (connection) => void onConnection(connection).catch(() => {}),
  });
  return { target, address: target.address, asked, close: () => target.close() };
}

export interface SocksParentOptions {
  /** `name:password` that it wants. */
  readonly login?: string;
  /** What it replies to requests; 0 opens the tunnel. */
  readonly code?: number;
}

export async function startSocksParent(options: SocksParentOptions = {}): Promise<Parent> {
  const asked: string[] = [];
  const onConnection = async (connection: RawConnection): Promise<void> => {
    let at = 0;
    const take = async (length: number): Promise<Buffer> => {
      const bytes = await connection.receivedLength(at + length, 600_000);
      at += length;
      return Buffer.from(bytes.subarray(at - length, at));
    };
    const [, count = 0] = await take(2);
    const methods = await take(count);
    const wanted = options.login === undefined ? 0 : 2;
    const isOffered = methods.includes(wanted);
    connection.send(Uint8Array.of(5, isOffered ? wanted : 255));
    if (!isOffered) return;
    let login = '';
    if (wanted === 2) {
      const [, nameLength = 0] = await take(2);
      const name = (await take(nameLength)).toString();
      const [passwordLength = 0] = await take(1);
      login = `${name}:${(await take(passwordLength)).toString()}`;
      connection.send(Uint8Array.of(1, login === options.login ? 0 : 1));
      if (login !== options.login) return;
    }
    const [, command, , type] = await take(4);
    const host =
      type === 3
        ? (await take((await take(1))[0]!)).toString()
        : type === 1
          ? (await take(4)).join('.')
          : `[${(await take(16)).toString('hex')}]`;
    const port = (await take(2)).readUInt16BE();
    asked.push(`${command} ${login}@${host}:${port}`);
    const code = options.code ?? 0;
    const reply = Buffer.from([5, code, 0, 1, 127, 0, 0, 1, 0, 80]);
    if (code === 0) tunnel(connection, port, at, reply);
    else connection.send(reply);
  };
  const target = await startTcpTarget({
    onConnection: (connection) => void onConnection(connection).catch(() => {}),
  });
  return { target, address: target.address, asked, close: () => target.close() };
}

/** Moves bytes both ways; `from`: how much of what was received was for the parent itself. */
function tunnel(
  connection: RawConnection,
  port: number,
  from: number,
  consent: string | Uint8Array,
): void {
  const upstream = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  upstream.on('error', () => connection.reset());
  upstream.once('connect', () => {
    connection.send(consent);
    upstream.write(connection.received.subarray(from));
    connection.socket.pipe(upstream).pipe(connection.socket);
  });
  connection.socket.on('close', () => upstream.destroy());
}
