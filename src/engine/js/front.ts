// What comes before a listener's protocol: the PROXY header of a trusted proxy, and the ClientHello by which a tcp
// listener that does not end TLS chooses a pool. Both are read, the hello is put back, and the socket goes on as if
// nobody had looked. Main thread; owned by the connection's Opening, which has the deadline.
import type { Socket } from 'node:net';
import type { ErrorCode } from '../../contract/codes.ts';
import { clientHostOf, speakFor } from '../shared/client-address.ts';
import { type ClientHello, readClientHello } from '../shared/client-hello.ts';
import type { LiveListener } from '../shared/live-plan.ts';
import { readProxyHeader } from '../shared/proxy-header.ts';

export interface FrontHandlers {
  /** `hello`: null where none was due, or what came is no TLS. */
  readonly onPassed: (hello: ClientHello | null) => void;
  readonly onFailed: (code: ErrorCode) => void;
}

export class Front {
  readonly #raw: Socket;
  readonly #listener: LiveListener;
  readonly #handlers: FrontHandlers;
  #read: Buffer = Buffer.alloc(0);
  #isHeaderDue: boolean;
  #isOver = false;

  constructor(raw: Socket, listener: LiveListener, handlers: FrontHandlers) {
    this.#raw = raw;
    this.#listener = listener;
    this.#handlers = handlers;
    const { proxyProtocol } = listener.plan;
    this.#isHeaderDue = proxyProtocol !== 'off' && listener.isTrusted(clientHostOf(raw));
  }

  /** Calls exactly one handler, unless stop() comes first. */
  start(): void {
    if (!this.#isHeaderDue && !this.#isHelloDue) {
      this.#pass(null);
      return;
    }
    // Not by 'data': a socket that was read so would not wait for whoever reads it next.
    this.#raw.on('readable', this.#onReadable).on('error', this.#onLost).on('close', this.#onLost);
  }

  stop(): void {
    this.#isOver = true;
    this.#raw
      .off('readable', this.#onReadable)
      .off('error', this.#onLost)
      .off('close', this.#onLost);
  }

  get #isHelloDue(): boolean {
    const { nameRoutes, serverTls } = this.#listener.plan;
    return nameRoutes.length > 0 && serverTls === null;
  }

  readonly #onLost = (): void => this.#fail('client_aborted');

  readonly #onReadable = (): void => {
    const length = this.#raw.readableLength;
    // As much as there is, and no more: asking for more would have the end told to nobody.
    const chunk = length === 0 ? null : (this.#raw.read(length) as Buffer | null);
    if (chunk === null) {
      this.#onEnd();
      return;
    }
    this.#read = this.#read.length === 0 ? chunk : Buffer.concat([this.#read, chunk]);
    if (this.#isHeaderDue) this.#readHeader();
    else this.#readHello();
  };

  /** Nothing more comes, and it was not enough. Without a byte it was a look at whether we are there. */
  #onEnd(): void {
    if (this.#read.length === 0) this.#fail('client_aborted');
    else this.#fail(this.#isHeaderDue ? 'proxy_header_bad' : 'tls_handshake_failed');
  }

  #readHeader(): void {
    const header = readProxyHeader(this.#read);
    switch (header.kind) {
      case 'more':
        return;
      case 'bad':
        this.#fail('proxy_header_bad');
        return;
      case 'absent':
        if (this.#listener.plan.proxyProtocol === 'required') {
          this.#fail('proxy_header_bad');
          return;
        }
        break;
      case 'header':
        speakFor(this.#raw, header);
        this.#read = this.#read.subarray(header.length);
        break;
    }
    this.#isHeaderDue = false;
    if (this.#isHelloDue) this.#readHello();
    else this.#pass(null);
  }

  #readHello(): void {
    const hello = readClientHello(this.#read);
    if (hello === 'more') return;
    if (hello === 'bad') this.#fail('tls_handshake_failed');
    else if (hello !== 'alien') this.#pass(hello);
    else if (this.#listener.pool === null) this.#fail('tls_handshake_failed');
    else this.#pass(null);
  }

  #pass(hello: ClientHello | null): void {
    if (this.#isOver) return;
    this.stop();
    if (this.#read.length > 0) this.#raw.unshift(this.#read);
    this.#handlers.onPassed(hello);
  }

  #fail(code: ErrorCode): void {
    if (this.#isOver) return;
    this.stop();
    this.#handlers.onFailed(code);
  }
}
