// How requests to an ACME directory travel: https alone, with the CAs of the configuration, one deadline for each, an
// end when everything ends, bounded answers, and the directory's errors as AcmeError. Stale nonces are left to the
// library that signs: it repeats those requests.
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { AcmeError, asRecord, messageOf, readProblem, wordProblem } from './acme-error.ts';

const TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

export interface TransportAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** What JSON says; text where it is not JSON. */
  readonly data: unknown;
}

export interface TransportOptions {
  /** PEM; null = the system's. */
  readonly ca: string | null;
  readonly now: () => number;
}

export class AcmeTransport {
  readonly #agent: Agent;
  readonly #now: () => number;
  #signal: AbortSignal | null = null;
  #retryAfterMs = 0;

  constructor({ ca, now }: TransportOptions) {
    this.#agent = new Agent({ keepAlive: true, ...(ca === null ? {} : { ca }) });
    this.#now = now;
  }

  /** Requests from here on end when `signal` does. */
  bind(signal: AbortSignal): void {
    this.#signal = signal;
  }

  /** What the latest answer asked to wait before the next question. */
  get retryAfterMs(): number {
    return this.#retryAfterMs;
  }

  async send(url: string, method: string, body: unknown): Promise<TransportAnswer> {
    if (!url.startsWith('https://')) throw new AcmeError(`${url} is not https`);
    const answer = await this.#exchange(url, method, body);
    this.#retryAfterMs = readRetryAfter(answer.headers['retry-after'], this.#now());
    if (answer.status < 400) return answer;
    const problem = readProblem(answer.data);
    if (answer.status === 400 && problem.type === 'badNonce') return answer;
    const words = problem.detail === '' && problem.type === '' ? '' : `: ${wordProblem(problem)}`;
    throw new AcmeError(`${new URL(url).host} answered ${answer.status}${words}`, {
      type: problem.type,
      retryAfterMs: this.#retryAfterMs,
    });
  }

  /** Closes the connections that are kept; the next request opens others. */
  rest(): void {
    this.#agent.destroy();
  }

  async #exchange(url: string, method: string, body: unknown): Promise<TransportAnswer> {
    const signal = this.#signal;
    signal?.throwIfAborted();
    try {
      return await this.#ask(url, method, body === undefined ? '' : JSON.stringify(body), signal);
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof AcmeError) throw cause;
      throw new AcmeError(`${new URL(url).host} is not reached: ${messageOf(cause)}`, { cause });
    }
  }

  #ask(
    url: string,
    method: string,
    body: string,
    signal: AbortSignal | null,
  ): Promise<TransportAnswer> {
    return new Promise((resolve, reject) => {
      const outgoing = request(url, {
        method: method.toUpperCase(),
        agent: this.#agent,
        headers: {
          'User-Agent': 'sluice (acme-client)',
          'Accept-Language': 'en',
          ...(body === '' ? {} : { 'Content-Type': 'application/jose+json' }),
          ...(body === '' ? {} : { 'Content-Length': Buffer.byteLength(body) }),
        },
        ...(signal === null ? {} : { signal }),
      });
      const deadline = setTimeout(() => {
        outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`));
      }, TIMEOUT_MS).unref();
      outgoing.on('close', () => clearTimeout(deadline));
      outgoing.on('error', reject);
      outgoing.on('response', (incoming) => {
        readAnswer(incoming).then(resolve, (error: unknown) => {
          outgoing.destroy();
          reject(error);
        });
      });
      outgoing.end(body);
    });
  }
}

async function readAnswer(incoming: IncomingMessage): Promise<TransportAnswer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of incoming as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MAX_ANSWER_BYTES) throw new AcmeError('the answer of the directory is too long');
    parts.push(part);
  }
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  const text = Buffer.concat(parts).toString('utf8');
  const isJson = /\bjson\b/i.test(headers['content-type'] ?? '');
  return { status: incoming.statusCode ?? 0, headers, data: isJson ? readJson(text) : text };
}

function readJson(text: string): unknown {
  try {
    return asRecord(JSON.parse(text));
  } catch {
    throw new AcmeError('the directory answered with JSON that is none');
  }
}

/** Seconds or a date (RFC 9110, section 10.2.3); 0 when there is none. */
export function readRetryAfter(value: string | undefined, now: number): number {
  if (value === undefined) return 0;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value.trim()) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}
