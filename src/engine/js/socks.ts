// A client of a forward proxy that speaks SOCKS 5, 4 or 4a: its handshake, and the tunnel or the association that comes
// of it.
//
//   begin --5--> greeting --login--> login --right--> request --CONNECT------> waiting --reached--> moving --> over
//      |             +-----nobody is asked----------> request --ASSOCIATE----> waiting --bound----> moving --> over
//      +--4--> request4 ------------------------------------CONNECT----------> waiting
//
// Whatever is refused is told so, if there is a way to tell, and closed. Nothing is read while it waits: what the client
// sent ahead is the tunnel's. It keeps the plan that it began with. Main thread; owned by its listener.
import type { Socket } from 'node:net';
import type { ErrorCode } from '../../contract/codes.ts';
import { type Destination, parseDestinationHost } from '../../plan/destination-host.ts';
import {
  clientHostOf,
  clientName,
  clientPortOf,
  connectionEndsOf,
  localEndOf,
  plainHost,
} from '../shared/client-address.ts';
import { seekEgress, type Way } from '../shared/egress.ts';
import { ExchangeRecord } from '../shared/exchange-record.ts';
import type { LiveUser } from '../shared/live-user.ts';
import { decodeText } from '../shared/live-users.ts';
import { authorityOf } from '../shared/parent.ts';
import {
  readGreeting,
  readLogin,
  readRequest,
  readSocks4Request,
  SOCKS_COMMANDS,
  SOCKS_METHODS,
  SOCKS_REPLIES,
  SOCKS4,
  type SocksAddress,
  type SocksLogin,
  type SocksRead,
  type SocksRequest,
  writeLoginReply,
  writeMethod,
  writeReply,
  writeSocks4Reply,
} from '../shared/socks-messages.ts';
import { socks4ReplyOf, socksReplyOf } from '../shared/socks-outcome.ts';
import { lingerAndClose, rawOf } from '../shared/wire.ts';
import type { SocksArrival } from './forward-listener.ts';
import { ForwardTunnel } from './forward-tunnel.ts';
import type { Flow } from './http-listener.ts';
import { UdpAssociation } from './socks-udp.ts';

export function serveSocks(arrival: SocksArrival): Flow {
  const connection = new SocksConnection(arrival);
  connection.start();
  return connection;
}

type Step = 'begin' | 'greeting' | 'login' | 'request' | 'request4' | 'waiting' | 'moving' | 'over';

class SocksConnection implements Flow {
  readonly #options: SocksArrival;
  readonly #socket: Socket;
  readonly #clientHost: string;
  readonly #record: ExchangeRecord;
  readonly #deadline: NodeJS.Timeout;
  #step: Step = 'begin';
  #isVersion4 = false;
  #input: Buffer = Buffer.alloc(0);
  #user: LiveUser | null = null;
  #isUserBusy = false;
  #tunnel: ForwardTunnel | null = null;
  #association: UdpAssociation | null = null;

  constructor(options: SocksArrival) {
    const { raw, socket, listener, onClosed } = options;
    this.#options = options;
    this.#socket = socket;
    this.#clientHost = clientHostOf(raw);
    this.#record = new ExchangeRecord(listener, clientName(this.#clientHost, clientPortOf(raw)));
    this.#record.reads({ method: 'SOCKS' });
    const { handshakeMs } = listener.plan.timeouts;
    this.#deadline = setTimeout(() => this.#close('handshake_timeout'), handshakeMs);
    socket.once('close', onClosed);
  }

  start(): void {
    // Not by 'data': a socket that was read so would not wait for whoever reads it next.
    this.#socket
      .on('readable', this.#onReadable)
      .on('end', this.#onEnd)
      .on('error', this.#onLost)
      .on('close', this.#onLost);
  }

  /** Ends what has led to nothing yet. */
  drain(): void {
    if (this.#step !== 'moving') this.destroy();
  }

  destroy(): void {
    this.#tunnel?.destroy();
    this.#socket.destroy();
    this.#options.raw.destroy();
    this.#end('none');
  }

  // --- the handshake ---------------------------------------------------------------------------

  readonly #onReadable = (): void => {
    if (this.#isBusy) return;
    const { readableLength } = this.#socket;
    const chunk =
      readableLength === 0 ? null : (this.#socket.read(readableLength) as Buffer | null);
    if (chunk !== null) {
      this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
      this.#advance();
    }
    // Has the end told, if that is all there is left.
    if (!this.#isBusy) this.#socket.read(0);
  };

  /** Nothing is to be read for the handshake, now or any more. */
  get #isBusy(): boolean {
    return this.#step === 'waiting' || this.#step === 'moving' || this.#step === 'over';
  }

  readonly #onEnd = (): void => {
    if (this.#association !== null) this.#close('none');
    // A client that waits to be connected has said all that it has to say.
    else if (!this.#isBusy)
      this.#close(this.#step === 'begin' ? 'client_aborted' : 'socks_malformed');
  };

  readonly #onLost = (): void =>
    this.#close(this.#association === null ? 'client_aborted' : 'none');

  #advance(): void {
    while (this.#input.length > 0 && !this.#isBusy) {
      const step = this.#step;
      const before = this.#input.length;
      this.#take(step);
      if (this.#input.length === before && this.#step === step) return;
    }
  }

  #take(step: Step): void {
    switch (step) {
      case 'begin':
        this.#begin();
        return;
      case 'greeting':
        this.#read(readGreeting, (methods) => this.#chooseMethod(methods));
        return;
      case 'login':
        this.#read(readLogin, (login) => void this.#verify(login));
        return;
      case 'request':
        this.#read(readRequest, (request) => this.#serve(request));
        return;
      case 'request4':
        this.#read(readSocks4Request, (request) => this.#serve(request));
        return;
      default:
    }
  }

  #read<T>(look: (input: Buffer) => SocksRead<T>, onMessage: (message: T) => void): void {
    const read = look(this.#input);
    if (read.kind === 'bad') this.#refuse('socks_malformed');
    if (read.kind !== 'done') return;
    this.#input = this.#input.subarray(read.length);
    onMessage(read.message);
  }

  #begin(): void {
    this.#isVersion4 = this.#input[0] === SOCKS4;
    this.#step = this.#isVersion4 ? 'request4' : 'greeting';
    // Whom it names it does not prove: nobody has to wait for the rest.
    if (this.#isVersion4 && this.#options.forward.users !== null)
      this.#refuse('proxy_auth_required');
  }

  #chooseMethod(offered: Buffer): void {
    const { users } = this.#options.forward;
    const method = users === null ? SOCKS_METHODS.none : SOCKS_METHODS.login;
    if (!offered.includes(method)) {
      this.#socket.write(writeMethod(SOCKS_METHODS.unacceptable));
      this.#close(users === null ? 'socks_malformed' : 'proxy_auth_required', true);
      return;
    }
    this.#socket.write(writeMethod(method));
    this.#step = users === null ? 'request' : 'login';
  }

  /** What has come already stays with the socket, so that its end is not told before it is read. */
  #wait(): void {
    this.#step = 'waiting';
    if (this.#input.length > 0) this.#socket.unshift(this.#input);
    this.#input = Buffer.alloc(0);
  }

  async #verify({ name, password }: SocksLogin): Promise<void> {
    this.#wait();
    const [nameText, passwordText] = [decodeText(name), decodeText(password)];
    const { users } = this.#options.forward;
    const user = await users?.find(nameText ?? '', passwordText ?? '');
    if (this.#step !== 'waiting') return;
    if (!user || nameText === null || passwordText === null) {
      this.#socket.write(writeLoginReply(false));
      this.#close('proxy_auth_required', true);
      return;
    }
    this.#user = user;
    this.#record.user = user.name;
    this.#socket.write(writeLoginReply(true));
    this.#step = 'request';
    if (this.#socket.readableEnded) this.#onEnd();
    else this.#onReadable();
  }

  // --- what is asked for -----------------------------------------------------------------------

  #serve({ command, address }: SocksRequest): void {
    clearTimeout(this.#deadline);
    this.#wait();
    if (address.type === 'unknown') {
      this.#refuse('socks_malformed', SOCKS_REPLIES.addressTypeUnsupported);
    } else if (command === SOCKS_COMMANDS.connect) {
      void this.#seek(address);
    } else if (command === SOCKS_COMMANDS.associate && !this.#isVersion4) {
      void this.#associate(address);
    } else {
      this.#refuse('socks_malformed', SOCKS_REPLIES.commandUnsupported);
    }
  }

  /** One more of the user's; false when that was refused. */
  #beginForUser(): boolean {
    const begun = this.#user?.begin() ?? 'none';
    if (begun !== 'none') this.#refuse(begun);
    else this.#isUserBusy = true;
    return begun === 'none';
  }

  async #seek(address: SocksAddress): Promise<void> {
    const host = address.port === 0 ? null : parseDestinationHost(address.host);
    if (host === null) {
      this.#refuse('destination_malformed');
      return;
    }
    const destination: Destination = { ...host, port: address.port };
    this.#record.destination = authorityOf(destination);
    if (!this.#beginForUser()) return;
    const { raw, listener, forward } = this.#options;
    const egress = await seekEgress({
      listener,
      forward,
      clientHost: this.#clientHost,
      cameTo: localEndOf(raw),
      user: this.#user,
      destination,
      method: 'SOCKS',
      path: null,
    }).catch(() => null);
    if (this.#step !== 'waiting') return;
    if (egress === null) {
      this.#refuse('internal');
      return;
    }
    if (egress.route !== null) this.#record.routed(NO_AUTHORITY, egress.route);
    if (egress.kind === 'refused') this.#refuse(egress.code);
    else this.#connect(egress);
  }

  #connect(way: Way): void {
    const { raw, listener } = this.#options;
    const tunnel = new ForwardTunnel({
      way,
      user: this.#user,
      record: this.#record,
      listener,
      clientHost: this.#clientHost,
      ends: () => connectionEndsOf(raw),
    });
    this.#tunnel = tunnel;
    tunnel.open({
      onOpen: (upstream) => this.#establish(tunnel, upstream),
      onFailed: (code) => this.#refuse(code),
    });
  }

  #establish(tunnel: ForwardTunnel, upstream: Socket): void {
    this.#step = 'moving';
    const { localAddress, localPort = 0 } = rawOf(upstream);
    this.#socket.write(
      this.#isVersion4
        ? writeSocks4Reply(socks4ReplyOf('none'))
        : writeReply(SOCKS_REPLIES.succeeded, addressOf(localAddress, localPort)),
    );
    this.#stopReading();
    tunnel.relay(this.#socket, NO_BYTES, (code) => {
      if (code === 'upstream_reset') this.#record.failed(code, false);
      this.#end(code);
    });
  }

  async #associate(claimed: SocksAddress): Promise<void> {
    if (!this.#beginForUser()) return;
    const { raw, listener, forward } = this.#options;
    const association = new UdpAssociation({
      raw,
      listener,
      forward,
      clientHost: this.#clientHost,
      claimed,
      user: this.#user,
      record: this.#record,
      onEnd: (code) => this.#close(code),
    });
    this.#association = association;
    const bound = await association.open();
    if (this.#step !== 'waiting') return;
    if (bound === null) {
      this.#refuse('internal');
      return;
    }
    this.#step = 'moving';
    this.#socket.write(writeReply(SOCKS_REPLIES.succeeded, bound));
    // Nothing is expected on this connection any more but its end.
    this.#socket.off('readable', this.#onReadable).on('data', ignore);
    if (this.#socket.readableEnded) this.#close('none');
  }

  // --- the end ---------------------------------------------------------------------------------

  /** Answers in the client's version, where it has come far enough to expect an answer. */
  #refuse(code: ErrorCode, reply = socksReplyOf(code)): void {
    if (this.#step === 'over') return;
    const isRequested = this.#step === 'request' || this.#step === 'waiting';
    if (this.#isVersion4) this.#socket.write(writeSocks4Reply(socks4ReplyOf(code)));
    else if (isRequested) this.#socket.write(writeReply(reply, null));
    this.#close(code, true);
  }

  /** `hasAnswer`: what was said last is to arrive. */
  #close(code: ErrorCode, hasAnswer = false): void {
    if (this.#step === 'over') return;
    this.#tunnel?.destroy();
    this.#stopReading();
    this.#socket.on('error', ignore);
    if (hasAnswer) {
      this.#socket.on('data', ignore);
      lingerAndClose(this.#socket);
    } else this.#socket.destroy();
    this.#end(code);
  }

  #stopReading(): void {
    this.#socket
      .off('readable', this.#onReadable)
      .off('end', this.#onEnd)
      .off('error', this.#onLost)
      .off('close', this.#onLost);
  }

  #end(code: ErrorCode): void {
    if (this.#step === 'over') return;
    this.#step = 'over';
    clearTimeout(this.#deadline);
    this.#association?.close();
    if (this.#isUserBusy) this.#user?.end();
    this.#record.end(code);
  }
}

/** What came early is in the socket. */
const NO_BYTES = Buffer.alloc(0);
/** SOCKS has no Host. */
const NO_AUTHORITY = { authority: '' } as const;

/** As a reply tells it; null when it is not known any more. */
function addressOf(host: string | undefined, port: number): SocksAddress | null {
  if (host === undefined) return null;
  const plain = plainHost(host);
  return { type: plain.includes(':') ? 'ipv6' : 'ipv4', host: plain, port };
}

function ignore(): void {}
