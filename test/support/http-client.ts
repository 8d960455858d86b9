// A client that sends raw bytes and reads strictly parsed responses, so that a test sees what an engine wrote
// and not what a forgiving library made of it.
import { bytesOf } from './byte-store.ts';
import { DEADLINE_MS } from './deadline.ts';
import {
  type ConnectOptions,
  connectRaw,
  type EndKind,
  type RawConnection,
} from './raw-connection.ts';
import { fieldValue, parseResponse, type StrictResponse } from './strict-http.ts';

export interface ClientResponse extends StrictResponse {
  /** The 1xx responses that came before it. */
  readonly interim: readonly StrictResponse[];
  readonly text: string;
  value(name: string): string | undefined;
}

export class HttpClient {
  readonly connection: RawConnection;
  #read = 0;

  constructor(connection: RawConnection) {
    this.connection = connection;
  }

  get closed(): Promise<EndKind> {
    return this.connection.closed;
  }

  send(bytes: string | Uint8Array): void {
    this.connection.send(bytes);
  }

  close(): void {
    this.connection.close();
  }

  /** The next final response; `method` is that of the request it answers. */
  async response(method = 'GET', ms = DEADLINE_MS): Promise<ClientResponse> {
    const interim: StrictResponse[] = [];
    for (;;) {
      const message = await this.any(method, ms);
      if (message.status >= 200 || message.status === 101)
        return asClientResponse(message, interim);
      interim.push(message);
    }
  }

  /** The next response, interim ones included. */
  async any(method = 'GET', ms = DEADLINE_MS): Promise<StrictResponse> {
    const from = this.#read;
    const message = await this.connection.until(
      'a response',
      (bytes, hasEnded) => {
        const parsed = parseResponse(bytes, from, method, hasEnded);
        if (parsed.kind === 'bad') throw new Error(`the response is malformed: ${parsed.reason}`);
        return parsed.kind === 'complete' ? parsed.message : undefined;
      },
      ms,
    );
    this.#read = message.end;
    return { ...message, body: Buffer.from(message.body) };
  }

  /** What was received after the last response that was read. */
  get rest(): Buffer {
    return this.connection.received.subarray(this.#read);
  }

  async get(
    target: string,
    fields: Readonly<Record<string, string>> = {},
  ): Promise<ClientResponse> {
    return this.request('GET', target, fields);
  }

  async request(
    method: string,
    target: string,
    fields: Readonly<Record<string, string>> = {},
    body: string | Uint8Array = '',
  ): Promise<ClientResponse> {
    this.send(requestBytes(method, target, fields, body));
    return this.response(method);
  }
}

export async function openHttp(
  where: number | string,
  options: ConnectOptions = {},
): Promise<HttpClient> {
  return new HttpClient(await connectRaw(where, { allowHalfOpen: false, ...options }));
}

/** One request on a connection of its own. */
export async function fetchOnce(
  where: number | string,
  method: string,
  target: string,
  fields: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = '',
  options: ConnectOptions = {},
): Promise<ClientResponse> {
  const client = await openHttp(where, options);
  try {
    return await client.request(method, target, fields, body);
  } finally {
    client.close();
  }
}

/** A request as raw bytes: `Host: test` unless named, Content-Length where there is a body. */
export function requestBytes(
  method: string,
  target: string,
  fields: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = '',
): Buffer {
  const content = bytesOf(body);
  const all: Record<string, string> = { Host: 'test', ...fields };
  if (content.length > 0) all['Content-Length'] = String(content.length);
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([bytesOf(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`), content]);
}

function asClientResponse(
  message: StrictResponse,
  interim: readonly StrictResponse[],
): ClientResponse {
  return {
    ...message,
    interim,
    text: message.body.toString('latin1'),
    value: (name) => fieldValue(message.fields, name),
  };
}
