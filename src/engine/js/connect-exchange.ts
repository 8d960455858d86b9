// A CONNECT request to a forward proxy, from its head to the end of the tunnel that it asks for, or of the answer that
// says why there is none. Owned by the connection it came on, like any exchange. Main thread.
import type { ErrorCode } from '../../contract/codes.ts';
import { type Admission, admit } from '../shared/admission.ts';
import { type Answer, errorAnswer } from '../shared/answer.ts';
import type { ExchangeOptions } from '../shared/exchange.ts';
import { ExchangeRecord } from '../shared/exchange-record.ts';
import { endsConnection } from '../shared/faults.ts';
import type { LiveForward } from '../shared/live-plan.ts';
import type { LiveUser } from '../shared/live-user.ts';
import { authorityOf } from '../shared/parent.ts';
import { type RequestHead, readRequestHead } from '../shared/request-head.ts';
import { StallTimer } from '../shared/stall-timer.ts';
import { ForwardTunnel } from './forward-tunnel.ts';
import type { HttpClient } from './http-client.ts';

export interface ConnectOptions extends ExchangeOptions {
  readonly client: HttpClient;
  readonly forward: LiveForward;
}

export class ConnectExchange {
  /** A request that asks for a tunnel has no body. */
  readonly isRequestComplete = true;
  readonly #options: ConnectOptions;
  readonly #record: ExchangeRecord;
  #head: RequestHead | null = null;
  #user: LiveUser | null = null;
  #tunnel: ForwardTunnel | null = null;
  #stall: StallTimer | null = null;
  #hasBegun = false;
  /** The connection carries somebody else's bytes. */
  isTunnel = false;
  #isOver = false;

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#record = new ExchangeRecord(options.listener, options.clientName);
  }

  start(): void {
    const { client, listener, forward, clientHost, cameTo } = this.#options;
    const outcome = readRequestHead(client.request, listener.plan.limits, 'forward');
    this.#record.reads({ method: 'CONNECT' });
    if ('code' in outcome) {
      this.#refuse(outcome.code);
      return;
    }
    const { head } = outcome;
    this.#head = head;
    this.#record.destination = head.destination === null ? null : authorityOf(head.destination);
    const isGone = (): boolean => this.#isOver || this.#hasBegun;
    const onBegun = (user: LiveUser): void => {
      this.#user = user;
      this.#record.user = user.name;
    };
    const applicant = { listener, forward, clientHost, cameTo, isGone, onBegun };
    void admit(head, applicant).then((admission) => {
      if (!isGone()) this.#onAdmission(head, admission);
    });
  }

  get hasBegunToAnswer(): boolean {
    return this.#hasBegun;
  }

  failRequest(code: ErrorCode): void {
    if (!this.#isOver && !this.#hasBegun) this.#refuse(code);
  }

  abort(code: ErrorCode): void {
    if (this.#isOver) return;
    this.#tunnel?.destroy();
    this.#options.client.cut(false);
    this.#finish(code, false);
  }

  #onAdmission(head: RequestHead, admission: Admission): void {
    const { listener, clientHost, ends } = this.#options;
    if (admission.kind === 'answered') {
      if (admission.route !== null) this.#record.routed(head, admission.route);
      this.#refuse(admission.code, admission.answer);
      return;
    }
    const { way } = admission;
    const user = this.#user;
    this.#record.routed(head, way.route);
    const record = this.#record;
    const tunnel = new ForwardTunnel({ way, user, record, listener, clientHost, ends });
    this.#tunnel = tunnel;
    tunnel.open({
      onOpen: () => this.#establish(tunnel),
      onFailed: (code) => this.#refuse(code),
    });
  }

  #establish(tunnel: ForwardTunnel): void {
    const { client } = this.#options;
    this.#hasBegun = true;
    this.isTunnel = true;
    this.#record.answers(200);
    tunnel.relay(client.establish(), client.early, (code) => {
      if (code === 'upstream_reset') this.#record.failed(code, false);
      this.#finish(code, false);
    });
  }

  #refuse(code: ErrorCode, { status, fields, body }: Answer = errorAnswer(code)): void {
    const { client, listener, isLast } = this.#options;
    this.#hasBegun = true;
    this.#record.error(code);
    this.#record.answers(status);
    this.#record.bytesOut(body.length);
    // What came behind the request was meant for the tunnel, and is no request whatever it looks like.
    const closes =
      endsConnection(code) || !client.mayKeepAlive || isLast() || client.early.length > 0;
    const connection = closes
      ? ['Connection', 'close']
      : this.#head?.minorVersion === 0
        ? ['Connection', 'keep-alive']
        : [];
    this.#stall = new StallTimer(listener.plan.timeouts.bodyIdleMs, () => {
      this.abort('client_stalled');
    });
    this.#stall.arm();
    client.onFinished(() => this.#finish('none', !closes));
    const { length } = body;
    const all = [...fields, ...connection];
    client.begin({ status, reason: null, fields: all, length, hasBody: true, closes });
    client.end(body, []);
  }

  #finish(code: ErrorCode, mayGoOn: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stall?.disarm();
    this.#user?.end();
    this.#record.end(code);
    this.#options.onDone(mayGoOn);
  }
}
