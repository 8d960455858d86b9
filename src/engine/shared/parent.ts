// Tunnels through parent proxies: what is said to a parent before a connection to it leads to the destination. An HTTP
// parent is sent CONNECT (RFC 9110 section 9.3.6), a SOCKS parent a request by name (RFC 1928, RFC 1929). Names go to
// the parent as they are. What comes behind its consent is the destination's. Main thread.
import type { Socket } from 'node:net';
import type { SocketAddress } from '../../contract/address.ts';
import type { ErrorCode } from '../../contract/codes.ts';
import type { Destination } from '../../plan/destination-host.ts';
import type { PlanPool } from '../../plan/plan.ts';
import type { TargetTls } from './client-tls.ts';
import { type ConnectHandlers, connectTo } from './connect.ts';
import {
  readLoginReply,
  readMethod,
  readReply,
  SOCKS_COMMANDS,
  SOCKS_METHODS,
  SOCKS_REPLIES,
  type SocksRead,
  writeGreeting,
  writeLogin,
  writeRequest,
} from './socks-messages.ts';
import { abortSocket } from './wire.ts';

export interface ParentOptions {
  readonly pool: PlanPool;
  readonly address: SocketAddress;
  readonly tls: TargetTls | null;
  readonly destination: Destination;
  /** For everything until the parent has consented. */
  readonly timeoutMs: number;
  /** What the connection begins with. */
  readonly preface: Buffer | null;
}

/** What a parent may say before it consents. */
const MAX_ANSWER = 64 * 1024;
/** Interim responses before the one that counts. */
const MAX_INTERIM = 16;

/** Calls exactly one handler, or none once the returned function has cancelled it. */
export function connectThroughParent(
  options: ParentOptions,
  { onConnected, onFailed }: ConnectHandlers,
): () => void {
  const { address, tls, timeoutMs, preface, pool } = options;
  const beganMs = performance.now();
  let cancel = connectTo(
    { address, tls, timeoutMs, preface },
    {
      onConnected: (socket) => {
        const fail = (code: ErrorCode): void => {
          settle();
          abortSocket(socket);
          onFailed(code);
        };
        const settle = (): void => {
          clearTimeout(deadline);
          talk.stop();
        };
        const left = Math.max(1, timeoutMs - (performance.now() - beganMs));
        const deadline = setTimeout(() => fail('connect_timeout'), left);
        const talk = new Conversation(socket);
        cancel = () => {
          settle();
          abortSocket(socket);
        };
        const asked =
          pool.kind === 'http-parent' ? askHttp(talk, options) : askSocks(talk, options);
        void asked.then((hasConsented) => {
          if (talk.isStopped) return;
          if (!hasConsented || socket.destroyed) {
            fail('parent_refused');
            return;
          }
          settle();
          talk.giveBack();
          onConnected(socket);
        });
      },
      onFailed,
    },
  );
  return () => cancel();
}

/** What is said on a connection before it is somebody else's. */
class Conversation {
  isStopped = false;
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #hasEnded = false;
  #wake: () => void = ignore;

  constructor(socket: Socket) {
    this.#socket = socket;
    // Not by 'data': a socket that was read so would not wait for whoever reads it next.
    socket.on('readable', this.#onReadable).on('error', this.#onEnd).on('close', this.#onEnd);
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** The next message, or null when what comes is none, or not all of it comes. */
  async read<T>(look: (input: Buffer) => SocksRead<T>): Promise<T | null> {
    for (;;) {
      const read = look(this.#received);
      if (read.kind === 'done') {
        this.#received = this.#received.subarray(read.length);
        return read.message;
      }
      const isTooMuch = this.#received.length > MAX_ANSWER;
      if (read.kind === 'bad' || this.#hasEnded || isTooMuch) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** What came behind the last message is for whoever reads next. */
  giveBack(): void {
    if (this.#received.length > 0) this.#socket.unshift(this.#received);
  }

  stop(): void {
    this.isStopped = true;
    const socket = this.#socket;
    socket.off('readable', this.#onReadable).off('error', this.#onEnd).off('close', this.#onEnd);
    // Nobody else listens until the socket has been handed on.
    socket.on('error', ignore);
  }

  readonly #onReadable = (): void => {
    const { readableLength } = this.#socket;
    const chunk =
      readableLength === 0 ? null : (this.#socket.read(readableLength) as Buffer | null);
    if (chunk === null) this.#hasEnded = true;
    else this.#received = Buffer.concat([this.#received, chunk]);
    this.#wake();
  };

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    this.#wake();
  };
}

/** `host:port`, as CONNECT and Host have it. */
export function authorityOf({ host, port }: Destination): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** RFC 7617; null without a login. */
function basicLogin({ login }: PlanPool): string | null {
  const text = login.reveal();
  return text === '' ? null : `Basic ${Buffer.from(text).toString('base64')}`;
}

/** What a plain request asks for: of a parent, by its whole address, which is `authority` and `path`. */
export function targetFor({ kind }: PlanPool, authority: string, path: string): string {
  if (kind !== 'http-parent') return path;
  return `http://${authority}${path === '*' ? '' : path}`;
}

/** What a plain request has besides. */
export function loginFields(pool: PlanPool): string[] {
  const login = pool.kind === 'http-parent' ? basicLogin(pool) : null;
  return login === null ? [] : ['Proxy-Authorization', login];
}

async function askHttp(talk: Conversation, { pool, destination }: ParentOptions): Promise<boolean> {
  const authority = authorityOf(destination);
  const login = basicLogin(pool);
  const fields = login === null ? '' : `Proxy-Authorization: ${login}\r\n`;
  talk.send(Buffer.from(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`));
  for (let i = 0; i <= MAX_INTERIM; i++) {
    const status = await talk.read(readStatus);
    if (status === null || status >= 200) return status !== null && status < 300;
  }
  return false;
}

/** The status of a response whose head is complete. Nothing else in it matters. */
function readStatus(input: Buffer): SocksRead<number> {
  const end = input.indexOf('\r\n\r\n');
  if (end < 0) return { kind: 'more' };
  const line = input.toString('latin1', 0, end + 2);
  const status = /^HTTP\/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r\n/.exec(line)?.[1];
  if (status === undefined || status === '101') return { kind: 'bad' };
  return { kind: 'done', length: end + 4, message: Number(status) };
}

async function askSocks(
  talk: Conversation,
  { pool, destination }: ParentOptions,
): Promise<boolean> {
  const login = pool.login.reveal();
  const method = login === '' ? SOCKS_METHODS.none : SOCKS_METHODS.login;
  talk.send(writeGreeting(login !== ''));
  if ((await talk.read(readMethod)) !== method) return false;
  if (login !== '') {
    const colon = login.indexOf(':');
    const [name, password] = [login.slice(0, colon), login.slice(colon + 1)];
    talk.send(writeLogin(Buffer.from(name), Buffer.from(password)));
    if ((await talk.read(readLoginReply)) !== 0) return false;
  }
  const type = destination.kind === 'name' ? 'name' : destination.family;
  const { host, port } = destination;
  talk.send(writeRequest(SOCKS_COMMANDS.connect, { type, host, port }));
  return (await talk.read(readReply))?.code === SOCKS_REPLIES.succeeded;
}

function ignore(): void {}
