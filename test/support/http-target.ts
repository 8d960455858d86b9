// An HTTP target that trusts nobody: it records the raw bytes, parses them with the strict parser, notes every
// violation, and answers with the raw bytes a script gives it, in whatever slices.
import { bytesOf } from './byte-store.ts';
import { DEADLINE_MS, deferred, pause, within } from './deadline.ts';
import type { RawConnection } from './raw-connection.ts';
import { type Field, parseHead, parseRequest, type StrictRequest } from './strict-http.ts';
import { startTcpTarget, type TcpTarget, type TcpTargetOptions } from './tcp-target.ts';

export interface TargetRequest extends StrictRequest {
  readonly connection: RawConnection;
  /** 0 for the first request on its connection. */
  readonly turn: number;
}

/** Raw bytes to send, a list of them to send with a pause between, or nothing: the script has seen to it. */
export type Answer = string | Uint8Array | readonly (string | Uint8Array)[] | undefined;

// biome-ignore lint/suspicious/noConfusingVoidType: a script that writes by itself returns nothing
export type Script = Answer | void | Promise<Answer | void>;

/** Start line, target and fields of a request whose body may be on its way still. */
export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly Field[];
  readonly connection: RawConnection;
}

export interface HttpTargetOptions extends TcpTargetOptions {
  /** Answers a complete request; without it every request gets 200 and a body that names the target. */
  readonly answer?: (request: TargetRequest) => Script;
  /** Called as soon as the head is complete, before the body. */
  readonly onHead?: (head: RequestHead) => void;
  /** What it is: requests to another proxy are in absolute form. An origin unless said. */
  readonly takes?: 'origin' | 'proxy';
  /** What the default answer's body says. */
  readonly name?: string;
}

export class HttpTarget {
  readonly requests: TargetRequest[] = [];
  readonly heads: RequestHead[] = [];
  /** What was received and was not strict HTTP. */
  readonly violations: string[] = [];
  readonly #options: HttpTargetOptions;
  readonly #waiting = new Set<() => void>();
  #tcp!: TcpTarget;
  #taken = 0;

  constructor(options: HttpTargetOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#tcp.port;
  }

  get address(): string {
    return this.#tcp.address;
  }

  get connections(): readonly RawConnection[] {
    return this.#tcp.connections;
  }

  /** Connections accepted, whatever became of their TLS handshakes. */
  get accepts(): number {
    return this.#tcp.accepts;
  }

  /** Codes of TLS handshakes that failed. */
  get failures(): readonly string[] {
    return this.#tcp.failures;
  }

  get open(): number {
    return this.#tcp.open;
  }

  async listen(): Promise<void> {
    this.#tcp = await startTcpTarget({
      ...this.#options,
      onConnection: (connection) => void this.#serve(connection),
    });
  }

  /** The next request that no call before this one was given. */
  async next(ms = DEADLINE_MS): Promise<TargetRequest> {
    const turn = this.#taken++;
    await this.#whenever(
      () => this.requests.length > turn,
      `request ${turn + 1} at the target`,
      ms,
    );
    return this.requests[turn]!;
  }

  /** Resolves once `count` requests are complete in all. */
  received(count: number, ms = DEADLINE_MS): Promise<void> {
    return this.#whenever(
      () => this.requests.length >= count,
      `${count} requests at the target`,
      ms,
    );
  }

  receivedHeads(count: number): Promise<void> {
    return this.#whenever(
      () => this.heads.length >= count,
      `${count} heads at the target`,
      DEADLINE_MS,
    );
  }

  close(): Promise<void> {
    return this.#tcp.close();
  }

  async #whenever(holds: () => boolean, what: string, ms: number): Promise<void> {
    const reached = deferred<void>();
    const wake = () => {
      if (holds()) reached.resolve();
    };
    this.#waiting.add(wake);
    wake();
    try {
      await within(reached.promise, what, ms);
    } finally {
      this.#waiting.delete(wake);
    }
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  async #serve(connection: RawConnection): Promise<void> {
    try {
      await this.#serveRequests(connection);
    } catch {
      // The connection ended between or within requests; what it carried is on record.
      if (!connection.isClosed) connection.end();
    }
  }

  /** Returns when the connection is the script's to go on with: after a 101. */
  async #serveRequests(connection: RawConnection): Promise<void> {
    let from = 0;
    for (let turn = 0; ; turn++) {
      const start = from;
      let hasHead = false;
      const request = await connection.until(
        'a complete request',
        (bytes) => {
          if (!hasHead) hasHead = this.#noteHead(bytes, start, connection);
          const parsed = parseRequest(bytes, start, this.#options.takes);
          if (parsed.kind === 'bad') {
            this.violations.push(parsed.reason);
            throw new Error(parsed.reason);
          }
          return parsed.kind === 'complete' ? parsed.message : undefined;
        },
        600_000,
      );
      from = request.end;
      const seen: TargetRequest = { ...request, body: Buffer.from(request.body), connection, turn };
      this.requests.push(seen);
      this.#wake();
      if (await this.#answer(seen)) return;
    }
  }

  #noteHead(bytes: Buffer, start: number, connection: RawConnection): boolean {
    const head = parseHead(bytes, start);
    if (head.kind !== 'complete') return false;
    const [method = '', target = ''] = head.message.startLine.split(' ');
    const noted: RequestHead = { method, target, fields: head.message.fields, connection };
    this.heads.push(noted);
    this.#options.onHead?.(noted);
    this.#wake();
    return true;
  }

  /** Resolves with whether the protocol was switched. */
  async #answer(request: TargetRequest): Promise<boolean> {
    const { answer, name } = this.#options;
    const bytes = answer ? await answer(request) : plainAnswer(request, name ?? 'target');
    if (bytes === undefined) return false;
    const slices = typeof bytes === 'string' || bytes instanceof Uint8Array ? [bytes] : bytes;
    for (const [i, slice] of slices.entries()) {
      if (i > 0) await pause(2);
      request.connection.send(slice);
    }
    return bytesOf(slices[0] ?? '').toString('latin1', 0, 12) === 'HTTP/1.1 101';
  }
}

export async function startHttpTarget(options: HttpTargetOptions = {}): Promise<HttpTarget> {
  const target = new HttpTarget(options);
  await target.listen();
  return target;
}

function plainAnswer(request: StrictRequest, name: string): Buffer {
  return request.method === 'HEAD'
    ? bytesOf(`HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\n\r\n`)
    : ok(name);
}

/** A 200 with a body of known length. */
export function ok(
  body: string | Uint8Array,
  fields: Readonly<Record<string, string>> = {},
): Buffer {
  return response(200, { ...fields }, body);
}

/** A response with Content-Length, as raw bytes. */
export function response(
  status: number,
  fields: Readonly<Record<string, string>>,
  body: string | Uint8Array = '',
): Buffer {
  const content = bytesOf(body);
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${status} Status\r\n${lines.join('')}Content-Length: ${content.length}\r\n\r\n`;
  return Buffer.concat([bytesOf(head), content]);
}

/** One chunk of the chunked coding. */
export function chunk(body: string | Uint8Array): Buffer {
  const content = bytesOf(body);
  return Buffer.concat([bytesOf(`${content.length.toString(16)}\r\n`), content, bytesOf('\r\n')]);
}
