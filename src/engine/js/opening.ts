// A client's connection from accept to where its protocol begins: what TLS needs, and nothing of what is spoken in it.
//
//   accepted --> front --TLS--> hello --choice--> handshake --> ready
//                  |              +--plain HTTP--> plain
//                  +--no TLS--> ready             (anything --> failed, by itself or by the deadline)
//
// A listener that does not end TLS is ready at once. Main thread; owned by its listener until it is over.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ErrorCode } from '../../contract/codes.ts';
import { findNameRoute } from '../../plan/match.ts';
import { type ClientFacts, clientFacts } from '../shared/client-certificate.ts';
import { type ClientHello, readClientHello } from '../shared/client-hello.ts';
import { errnoOf } from '../shared/faults.ts';
import type { LiveListener } from '../shared/live-plan.ts';
import type { Choice, ServerTls } from '../shared/server-tls.ts';
import { lingerAndClose, Wire } from '../shared/wire.ts';
import { Front } from './front.ts';

export interface Opened {
  /** What the protocol is spoken over: the socket itself, or TLS over it. */
  readonly socket: Socket;
  /** What the client asked for; null on a listener that neither ends TLS nor looks at it. */
  readonly hello: ClientHello | null;
  readonly facts: ClientFacts | null;
}

export interface OpeningHandlers {
  readonly onReady: (opened: Opened) => void;
  /** Plain HTTP where TLS is spoken: the answer is the listener's to give. The connection goes on. */
  readonly onPlainHttp?: () => void;
  /** `none` for a connection that was only for a challenge. The connection is closed or about to. */
  readonly onFailed: (code: ErrorCode) => void;
}

type Chosen = Extract<Choice, { readonly alpn: readonly string[] }>;

/** TLS alerts (RFC 8446, section 6.2) that go out before there is a session to send them. */
const ALERTS = { decodeError: 50, unrecognizedName: 112, noApplicationProtocol: 120 } as const;
/** A request line, as far as one needs to see it. */
const PLAIN_HTTP = /^[A-Z]{3,16} [^ ]/;
const MAY_BE_HTTP = /^[A-Z]{0,16}(?:$| )/;

export class Opening {
  readonly #raw: Socket;
  readonly #listener: LiveListener;
  readonly #handlers: OpeningHandlers;
  readonly #deadline: NodeJS.Timeout;
  readonly #front: Front;
  #wire: Wire | null = null;
  #secure: TLSSocket | null = null;
  #read: Buffer = Buffer.alloc(0);
  #isOver = false;

  constructor(raw: Socket, listener: LiveListener, handlers: OpeningHandlers) {
    this.#raw = raw;
    this.#listener = listener;
    this.#handlers = handlers;
    this.#deadline = setTimeout(
      () => this.#fail('handshake_timeout'),
      listener.plan.timeouts.handshakeMs,
    );
    this.#front = new Front(raw, listener, {
      onPassed: (hello) => this.#onPassed(hello),
      onFailed: (code) => this.#fail(code),
    });
  }

  start(): void {
    this.#front.start();
  }

  destroy(): void {
    this.#settle();
    this.#raw.destroy();
  }

  /** `hello`: of TLS that is passed on. */
  #onPassed(hello: ClientHello | null): void {
    const { tls, plan, pool } = this.#listener;
    if (tls !== null) this.#readHello();
    else if (hello !== null && pool === null && findNameRoute(plan.nameRoutes, hello) === null)
      this.#refuse('tls_name_unknown', ALERTS.unrecognizedName);
    else this.#ready({ socket: this.#raw, hello, facts: null });
  }

  #readHello(): void {
    this.#raw
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('error', this.#onLost)
      .on('close', this.#onLost);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#read = this.#read.length === 0 ? chunk : Buffer.concat([this.#read, chunk]);
    const hello = readClientHello(this.#read);
    if (hello === 'more') return;
    if (hello === 'alien') {
      this.#onAlien(this.#read.toString('latin1', 0, 32));
      return;
    }
    const { tls } = this.#listener;
    if (hello === 'bad' || tls === null) this.#refuse('tls_handshake_failed', ALERTS.decodeError);
    else this.#choose(tls, hello);
  };

  #onAlien(begin: string): void {
    const { onPlainHttp } = this.#handlers;
    if (onPlainHttp === undefined) this.#fail('tls_handshake_failed');
    else if (PLAIN_HTTP.test(begin)) {
      this.#settle();
      onPlainHttp();
    } else if (!MAY_BE_HTTP.test(begin)) this.#fail('tls_handshake_failed');
  }

  #choose(tls: ServerTls, hello: ClientHello): void {
    const choice = tls.choose(hello);
    if ('identity' in choice) this.#handshake(tls, hello, choice);
    else if (choice.kind === 'unknownName') {
      this.#refuse('tls_name_unknown', ALERTS.unrecognizedName);
    } else this.#refuse('tls_handshake_failed', ALERTS.noApplicationProtocol);
  }

  #handshake(tls: ServerTls, hello: ClientHello, { kind, identity, alpn }: Chosen): void {
    const raw = this.#raw;
    this.#stopReading();
    raw.pause();
    raw.unshift(this.#read);
    this.#read = Buffer.alloc(0);
    const wire = new Wire(raw);
    const { mode } = tls.plan.clientCertificates;
    const asks = mode !== 'off' && kind === 'identity';
    const secure = new TLSSocket(wire, {
      isServer: true,
      secureContext: identity.context,
      requestCert: asks,
      rejectUnauthorized: asks && mode === 'require',
      ...(identity.stapler === null ? {} : { server: identity.stapler }),
      ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
    });
    wire.carry(secure);
    // The alert of a failed handshake is to arrive.
    wire.lingers = true;
    this.#wire = wire;
    this.#secure = secure;
    secure.on('secure', () => this.#onSecure(secure, tls, hello, kind));
    secure.on('error', (error) => this.#fail(handshakeFault(error)));
    secure.on('close', () => this.#fail('tls_handshake_failed'));
  }

  #onSecure(secure: TLSSocket, tls: ServerTls, hello: ClientHello, kind: Chosen['kind']): void {
    if (this.#isOver) return;
    const { stats, plan } = this.#listener;
    const certificate = secure.getPeerX509Certificate() ?? null;
    const asked = tls.plan.clientCertificates;
    const isRejected = certificate === null ? asked.mode === 'require' : !holds(secure);
    if (kind === 'identity' && asked.mode !== 'off' && isRejected) {
      this.#fail('client_certificate_rejected');
      return;
    }
    stats.add('tls_handshakes');
    if (secure.isSessionReused()) stats.add('tls_resumed');
    if (kind === 'challenge') {
      this.#settle();
      lingerAndClose(secure);
      this.#handlers.onFailed('none');
      return;
    }
    // What is spoken decides, and not node:tls, whether a client may end its side first.
    secure.allowHalfOpen = this.#raw.allowHalfOpen;
    if (plan.protocol === 'tcp') this.#raw.setNoDelay(true);
    this.#ready({ socket: secure, hello, facts: clientFacts(asked, certificate) });
  }

  #ready(opened: Opened): void {
    this.#settle();
    if (this.#wire !== null) this.#wire.lingers = false;
    this.#handlers.onReady(opened);
  }

  /** Ends the handshake with an alert that OpenSSL would have sent, had it got so far. */
  #refuse(code: ErrorCode, alert: number): void {
    if (this.#isOver) return;
    this.#settle();
    this.#raw.on('error', ignore);
    this.#raw.write(Buffer.from([21, 3, 3, 0, 2, 2, alert]));
    lingerAndClose(this.#raw);
    this.#handlers.onFailed(code);
  }

  #fail(code: ErrorCode): void {
    if (this.#isOver) return;
    this.#settle();
    this.#raw.on('error', ignore);
    if (this.#secure === null) this.#raw.destroy();
    else this.#secure.destroy();
    this.#handlers.onFailed(code);
  }

  readonly #onEnd = (): void => this.#fail('tls_handshake_failed');
  readonly #onLost = (): void => this.#fail('tls_handshake_failed');

  #stopReading(): void {
    this.#raw
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('error', this.#onLost)
      .off('close', this.#onLost);
  }

  #settle(): void {
    this.#isOver = true;
    clearTimeout(this.#deadline);
    this.#front.stop();
    this.#stopReading();
    this.#secure?.removeAllListeners('secure');
  }
}

/** Whether the client's certificate was found to hold: node:tls keeps that to itself for sockets like ours. */
function holds(secure: TLSSocket): boolean {
  const { _handle: handle } = secure as unknown as {
    readonly _handle: { verifyError(): Error | null | undefined };
  };
  return !handle.verifyError();
}

function handshakeFault(error: Error): ErrorCode {
  return errnoOf(error) === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'
    ? 'client_certificate_rejected'
    : 'tls_handshake_failed';
}

function ignore(): void {}
