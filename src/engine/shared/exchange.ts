// An exchange: one request and its response. It decides - limits, route, pick, retry, edits, timeouts, statistics,
// the log - and leaves the wire to a ClientSide on the client's side and to UpstreamAttempt on the target's.
//
//   reading --refused--> answering ----------------------------+
//      |  (forward: admission)  ^                              v
//      +--pool--> trying --failed-->                         done
//                   |  ^ again                                 ^
//                   +--response--> relaying --broken--> cut ---+
//                   +--101-------> tunnelling -----------------+
//
// Owned by the connection it came on, told once when the client is gone, and tells once that it is done. Main thread.
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { ERROR_CODES, type ErrorCode } from '../../contract/codes.ts';
import { findRoute, rewritePath } from '../../plan/match.ts';
import { type Admission, admit } from './admission.ts';
import { type Answer, errorAnswer, fixedAnswer, mayHaveBody } from './answer.ts';
import type { ConnectionEnds, IpPort } from './client-address.ts';
import type { ClientFacts } from './client-certificate.ts';
import type { ClientSide } from './client-side.ts';
import type { Way } from './egress.ts';
import { ExchangeRecord } from './exchange-record.ts';
import { endsConnection } from './faults.ts';
import type { FlatFields } from './field-rules.ts';
import type { LiveForward, LiveListener, LiveRoute } from './live-plan.ts';
import type { LiveUser } from './live-user.ts';
import { loginFields, targetFor } from './parent.ts';
import { proxyPreface } from './proxy-header.ts';
import { pumpRequestBody } from './request-body.ts';
import { requestFields, schemeOf, toldNames } from './request-fields.ts';
import { type RequestHead, readRequestHead } from './request-head.ts';
import { pumpResponseBody } from './response-body.ts';
import {
  type ResponseHead,
  readResponseHead,
  responseFields,
  responseHeadLimit,
} from './response-head.ts';
import { StallTimer } from './stall-timer.ts';
import type { LiveTarget } from './target.ts';
import { TargetChoice } from './target-choice.ts';
import { UpstreamAttempt } from './upstream-attempt.ts';

export interface ExchangeOptions {
  readonly client: ClientSide;
  readonly clientHost: string;
  readonly clientName: string;
  /** Of the client's connection, for pools that are told of them. */
  readonly ends: () => ConnectionEnds;
  /** The address of ours that the client came to, where it is known. */
  readonly cameTo: IpPort | null;
  readonly listener: LiveListener;
  /** What the client's certificate tells; null where none are asked for. */
  readonly facts: ClientFacts | null;
  /** The client's connection is to end with this exchange, whatever the client wishes. */
  readonly isLast: () => boolean;
  /** The response has left. `mayGoOn` is false when the connection cannot carry another request. */
  readonly onDone: (mayGoOn: boolean) => void;
}

/** A request body that nobody wants is read to its end, up to this much, to keep the connection. */
const DRAIN_LIMIT = 64 * 1024;

export class HttpExchange {
  readonly #options: ExchangeOptions;
  readonly #record: ExchangeRecord;
  #head: RequestHead | null = null;
  #choice: TargetChoice | null = null;
  /** Of a forward proxy: how to go where the client wants to, and for whom. */
  #way: Way | null = null;
  #user: LiveUser | null = null;
  #attempt: UpstreamAttempt | null = null;
  #stopRequestBody: () => void = ignore;
  #stopResponseBody: () => void = ignore;
  #closes = false;
  /** The end of the connection is the end of the response. */
  #isUnframed = false;
  #isAnswering = false;
  /** The connection carries another protocol. */
  isTunnel = false;
  #isOver = false;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.#record = new ExchangeRecord(options.listener, options.clientName);
  }

  start(): void {
    const { client, listener } = this.#options;
    const { forward } = listener;
    const kind = forward === null ? 'reverse' : 'forward';
    const outcome = readRequestHead(client.request, listener.plan.limits, kind);
    this.#record.reads(client.request);
    if ('code' in outcome) {
      this.#refuse(outcome.code);
      return;
    }
    const head = withoutVainUpgrade(outcome.head, client);
    this.#head = head;
    if (forward !== null) {
      this.#seekAdmission(head, forward);
      return;
    }
    if (listener.tls?.mayAskFor(head.authority) === false) {
      this.#refuse('misdirected');
      return;
    }
    const found = findRoute(listener.live.plan, listener.plan, {
      host: head.authority,
      path: head.path,
      client: this.#options.facts?.identity,
    });
    if (found === null) {
      this.#refuse('no_route');
      return;
    }
    this.#take(head, listener.live.route(found.index));
  }

  #seekAdmission(head: RequestHead, forward: LiveForward): void {
    const { listener, clientHost, cameTo } = this.#options;
    const isGone = (): boolean => this.#isOver || this.#isAnswering;
    const onBegun = (user: LiveUser): void => {
      this.#user = user;
      this.#record.user = user.name;
    };
    const applicant = { listener, forward, clientHost, cameTo, isGone, onBegun };
    void admit(head, applicant).then((admission) => {
      if (!isGone()) this.#onAdmission(head, admission);
    });
  }

  #onAdmission(head: RequestHead, admission: Admission): void {
    if (admission.kind === 'admitted') {
      this.#way = admission.way;
      this.#take(head, admission.way.route);
      return;
    }
    if (admission.route !== null) this.#record.routed(head, admission.route);
    this.#refuse(admission.code, admission.answer);
  }

  #take(head: RequestHead, route: LiveRoute): void {
    const { listener } = this.#options;
    this.#record.routed(head, route);
    const { bodyBytes } = listener.plan.limits;
    if (bodyBytes > 0 && head.body.kind === 'length' && head.body.length > bodyBytes) {
      this.#refuse('request_body_too_large');
    } else if (route.plan.action.kind === 'respond' || route.plan.action.kind === 'redirect') {
      this.#answer(fixedAnswer(route.plan, route.plan.action, head, schemeOf(listener)));
    } else if (route.pool === null) {
      this.#refuse('internal');
    } else {
      this.#choice = new TargetChoice(route.pool, this.#options.clientHost);
      this.#try(this.#choice.first(), 'no_target');
    }
  }

  /** Whether the client has sent all of its request. */
  get isRequestComplete(): boolean {
    return this.#options.client.request.complete;
  }

  /** Whether the client has got something of its response. */
  get hasBegunToAnswer(): boolean {
    return this.#options.client.hasBegun || this.#isAnswering || this.isTunnel;
  }

  /** What the client sends cannot be understood any more, or takes too long. */
  failRequest(code: ErrorCode): void {
    if (this.#isOver || this.isTunnel) return;
    if (this.#options.client.hasBegun) this.abort(code);
    else if (!this.#isAnswering) this.#refuse(code);
  }

  /** Ends it without a word: the client is gone, or must see that its response is not whole. */
  abort(code: ErrorCode): void {
    if (this.#isOver) return;
    this.#stopAll();
    this.#attempt?.destroy();
    this.#options.client.cut(this.#isUnframed);
    this.#finish(code, false);
  }

  #try(target: LiveTarget | null, codeIfNone: ErrorCode): void {
    const head = this.#head;
    const route = this.#record.route;
    const pool = this.#choice?.pool.plan;
    if (target === null || head === null || route === null || pool === undefined) {
      this.#refuse(codeIfNone);
      return;
    }
    const { listener, clientHost, ends, facts } = this.#options;
    this.#record.tries(target);
    try {
      this.#attempt = new UpstreamAttempt(
        {
          target,
          method: head.method,
          path: targetFor(pool, head.authority, rewritePath(route.plan, head.path) + head.query),
          fields: [
            ...requestFields(head, {
              listener,
              route: route.plan,
              target: target.plan,
              clientHost,
              facts,
            }),
            ...loginFields(pool),
          ],
          timeouts: listener.plan.timeouts,
          headLimit: responseHeadLimit(listener.plan.limits),
          preface: proxyPreface(pool.proxyProtocol, ends),
          way: this.#way,
        },
        {
          onConnected: () => this.#onConnected(),
          onInterim: (status, reason, rawHeaders) => this.#onInterim(status, reason, rawHeaders),
          onResponse: (response) => this.#onResponse(response),
          onSwitched: (response, upstream, early) => this.#onSwitched(response, upstream, early),
          onFailed: (code) => this.#onFailed(code),
        },
      );
    } catch {
      // node:http refuses to write what its own parser let in.
      this.#refuse('request_malformed');
      return;
    }
    // Without a body the head is all there is to send, as soon as there is a connection.
    if (!hasBody(head)) this.#attempt.request.end();
  }

  #onConnected(): void {
    const attempt = this.#attempt;
    const head = this.#head;
    if (attempt === null || head === null) return;
    if (!hasBody(head)) {
      attempt.awaitResponse();
      return;
    }
    const { client, listener } = this.#options;
    setImmediate(() => attempt.request.flushHeaders());
    this.#stopRequestBody = pumpRequestBody({
      from: client.request,
      to: attempt.request,
      limitBytes: listener.plan.limits.bodyBytes,
      idleMs: listener.plan.timeouts.bodyIdleMs,
      isChunked: head.body.kind === 'chunked',
      withheld: toldNames(listener),
      toll: this.#user?.chargeIn ?? null,
      onBytes: (count) => this.#record.bytesIn(count),
      onEnd: () => attempt.awaitResponse(),
      onFailed: (code) => this.failRequest(code),
    });
  }

  #onInterim(status: number, reason: string, rawHeaders: FlatFields): void {
    const { client } = this.#options;
    if (this.#head?.minorVersion === 0 || client.hasBegun) return;
    client.interim(status, reason, rawHeaders);
  }

  #onFailed(code: ErrorCode): void {
    const attempt = this.#attempt;
    if (attempt === null) return;
    this.#stopRequestBody();
    // A pooled connection that the target had closed says nothing about the target.
    const isStale = isLost(code) && attempt.isReused && !attempt.hasAnswered;
    if (isStale) attempt.closeIdle();
    const mayRepeat = !this.#options.client.hasBegun && this.#mayRepeat(code, attempt);
    const next = mayRepeat ? (this.#choice?.next(attempt.target, isStale) ?? null) : null;
    if (next !== null) this.#record.retries();
    this.#record.failed(code, isStale);
    if (this.#options.client.hasBegun) this.abort(code);
    else this.#try(next, code);
  }

  /** RFC 9110 section 9.2.2: nothing was sent, or sending it twice is as good as once. */
  #mayRepeat(code: ErrorCode, attempt: UpstreamAttempt): boolean {
    if (this.#record.sentBytes > 0) return false;
    if (ERROR_CODES[code].retry === 'always') return true;
    return isLost(code) && !attempt.hasAnswered && this.#head?.isIdempotent === true;
  }

  #onResponse(response: IncomingMessage): void {
    const outcome = readResponseHead(response, this.#head?.method ?? '');
    if ('code' in outcome) {
      this.#attempt?.destroy();
      this.#onFailed(outcome.code);
      return;
    }
    const { head } = outcome;
    if (head.status === 407 && this.#choice?.pool.plan.kind === 'http-parent') {
      // It means us, and not our client.
      this.#attempt?.destroy();
      this.#onFailed('parent_refused');
      return;
    }
    this.#record.answeredBy(head.status);
    this.#attempt?.expectBody(head.hasBody ? head.length : 0);
    if (!head.hasBody) {
      this.#writeHead(head, response);
      response.resume();
      response.once('end', () => this.#onResponseEnd());
      this.#finishWith(this.#options.client);
      this.#options.client.end(null, []);
      return;
    }
    this.#finishWith(this.#options.client);
    this.#stopResponseBody = pumpResponseBody({
      from: response,
      to: this.#options.client,
      idleMs: this.#options.listener.plan.timeouts.bodyIdleMs,
      isChunked: this.#isChunkedForClient(head),
      isUntilClose: head.length === null && !head.isChunked,
      toll: this.#user?.chargeOut ?? null,
      onBegin: () => this.#writeHead(head, response),
      onBytes: (count) => this.#record.bytesOut(count),
      onEnd: () => this.#onResponseEnd(),
      onFailed: (code) => {
        if (code !== 'client_stalled' && code !== 'user_quota') this.#record.failed(code, false);
        this.abort(code);
      },
    });
  }

  #isChunkedForClient({ hasBody, length }: ResponseHead): boolean {
    return hasBody && length === null && this.#head?.minorVersion !== 0;
  }

  #writeHead(head: ResponseHead, from: IncomingMessage): void {
    const { client } = this.#options;
    const fields = responseFields(head, this.#record.route?.plan.responseEdits ?? []);
    const isChunked = this.#isChunkedForClient(head);
    this.#isUnframed = head.hasBody && head.length === null && !isChunked;
    if (head.length !== null && head.status !== 204) {
      fields.push('Content-Length', String(head.length));
    }
    if (isChunked) fields.push('Transfer-Encoding', 'chunked');
    // A target that answers early and closes will not read the rest of the request.
    const isCutShort = !this.isRequestComplete && from.headers.connection === 'close';
    this.#closes = this.#isUnframed || isCutShort || this.#mustClose();
    this.#pushConnection(fields);
    this.#record.answers(head.status);
    const { status, reason, length, hasBody } = head;
    client.begin({ status, reason, fields, length, hasBody, closes: this.#closes });
  }

  /** The target is done: its connection is free again, unless it has not read the whole request. */
  #onResponseEnd(): void {
    this.#record.released();
    if (this.isRequestComplete) return;
    this.#stopRequestBody();
    this.#attempt?.destroy();
    this.#drainRequest();
  }

  #onSwitched(response: IncomingMessage, upstream: Socket, early: Buffer): void {
    const { client, listener } = this.#options;
    const protocol = this.#head?.upgrade ?? null;
    if (protocol === null || !client.acceptsSwitch(response)) {
      upstream.destroy();
      this.#onFailed('upgrade_failed');
      return;
    }
    this.isTunnel = true;
    this.#record.answeredBy(101);
    this.#record.answers(101);
    client.switchTo({
      protocol,
      response,
      upstream,
      early,
      idleMs: listener.plan.timeouts.idleMs,
      onBytesIn: (count) => this.#record.bytesIn(count),
      onBytesOut: (count) => this.#record.bytesOut(count),
      tollIn: this.#user?.chargeIn ?? null,
      tollOut: this.#user?.chargeOut ?? null,
      onEnd: (code) => this.#finish(code, false),
    });
  }

  #refuse(code: ErrorCode, answer: Answer = errorAnswer(code)): void {
    this.#record.error(code);
    this.#closes ||= endsConnection(code);
    this.#answer(answer);
  }

  #answer({ status, fields, body }: Answer): void {
    if (this.#isOver || this.#isAnswering) return;
    this.#isAnswering = true;
    this.#stopAll();
    this.#attempt?.destroy();
    this.#record.released();
    this.#record.answers(status);
    this.#record.bytesOut(body.length);
    const { client, listener } = this.#options;
    const all = [...fields];
    this.#closes ||= this.#mustClose() || !this.#isRestSmall();
    this.#pushConnection(all);
    const stall = new StallTimer(listener.plan.timeouts.bodyIdleMs, () => {
      this.abort('client_stalled');
    });
    this.#stopResponseBody = () => stall.disarm();
    stall.arm();
    this.#finishWith(client);
    const closes = this.#closes;
    const { length } = body;
    client.begin({
      status,
      reason: null,
      fields: all,
      length,
      hasBody: mayHaveBody(status),
      closes,
    });
    client.end(body, []);
    this.#drainRequest();
  }

  #mustClose(): boolean {
    return !this.#options.client.mayKeepAlive || this.#options.isLast();
  }

  #pushConnection(fields: string[]): void {
    if (this.#closes) fields.push('Connection', 'close');
    else if (this.#head?.minorVersion === 0) fields.push('Connection', 'keep-alive');
  }

  /** Whether what is left of the request's body is worth reading to keep the connection. */
  #isRestSmall(): boolean {
    if (this.isRequestComplete || this.#head === null) return true;
    const { body, expectsContinue } = this.#head;
    if (body.kind !== 'length') return body.kind === 'none';
    return !expectsContinue && body.length - this.#record.sentBytes <= DRAIN_LIMIT;
  }

  /** Lets the rest of the request pass by unread. */
  #drainRequest(): void {
    this.#options.client.request.resume();
  }

  #finishWith(client: ClientSide): void {
    client.onFinished(() => {
      this.#finish('none', !this.#closes && (this.isRequestComplete || this.#isRestSmall()));
    });
  }

  #stopAll(): void {
    this.#stopRequestBody();
    this.#stopResponseBody();
  }

  #finish(code: ErrorCode, mayGoOn: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopAll();
    this.#user?.end();
    this.#record.end(code);
    this.#options.onDone(mayGoOn);
  }
}

/** A protocol that the client's connection could not be switched to is not worth asking a target for. */
function withoutVainUpgrade(head: RequestHead, client: ClientSide): RequestHead {
  const isVain = head.upgrade !== null && !client.offersSwitchTo(head.upgrade);
  return isVain ? { ...head, upgrade: null } : head;
}

function hasBody({ body }: RequestHead): boolean {
  return body.kind === 'chunked' || (body.kind === 'length' && body.length > 0);
}

/** The connection ended before the response began. */
function isLost(code: ErrorCode): boolean {
  return code === 'upstream_closed' || code === 'upstream_reset';
}

function ignore(): void {}
