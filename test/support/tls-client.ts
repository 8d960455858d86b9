// A client that speaks TLS: raw bytes within it, the connection below it at hand, and what became of a handshake.
import net from 'node:net';
import tls from 'node:tls';
import { isTruncated, rawOf, Wire } from '../../src/engine/shared/wire.ts';
import { within } from './deadline.ts';
import { HttpClient } from './http-client.ts';
import { RawConnection } from './raw-connection.ts';

export interface TlsClientOptions extends tls.ConnectionOptions {
  readonly record?: boolean;
  /** Whether our side stays open when the other has ended; not unless said. */
  readonly allowHalfOpen?: boolean;
  /** Asks for an OCSP response; told of it, or of there being none. */
  readonly onOcsp?: (response: Buffer | null) => void;
}

/** Trusts anybody unless told not to: what is shown is for the test to look at. */
export class TlsClient {
  readonly secure: tls.TLSSocket;
  readonly connection: RawConnection;
  readonly http: HttpClient;
  readonly #session: Promise<Buffer>;

  constructor(secure: tls.TLSSocket, options: TlsClientOptions) {
    this.secure = secure;
    this.#session = new Promise((resolve) => secure.once('session', resolve));
    const { record = true } = options;
    this.connection = new RawConnection(secure, { record, raw: rawOf(secure) });
    this.http = new HttpClient(this.connection);
  }

  /** What resumes this session; TLS 1.3 sends it with the first bytes that are read. */
  session(): Promise<Buffer> {
    return within(this.#session, 'a session ticket');
  }

  /** SHA-256 of the certificate that was shown, lower-case digits. */
  get fingerprint(): string {
    const shown = this.secure.getPeerX509Certificate();
    return shown?.fingerprint256.replaceAll(':', '').toLowerCase() ?? '';
  }

  /** The connection ended without close_notify. */
  get wasCut(): boolean {
    return isTruncated(this.secure);
  }

  close(): void {
    this.connection.close();
    this.connection.raw.destroy();
  }
}

/** Resolves once the handshake is done; rejects with node's error when it fails. */
export async function connectTls(port: number, options: TlsClientOptions = {}): Promise<TlsClient> {
  const raw = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const wire = new Wire(raw);
  const secure = tls.connect({
    rejectUnauthorized: false,
    servername: 'localhost',
    ...options,
    requestOCSP: options.onOcsp !== undefined,
    socket: wire,
  } as tls.ConnectionOptions);
  wire.carry(secure);
  secure.allowHalfOpen = options.allowHalfOpen ?? false;
  secure.on('OCSPResponse', (response: Buffer) => options.onOcsp?.(response ?? null));
  const client = new TlsClient(secure, options);
  try {
    await within(
      new Promise<void>((resolve, reject) => {
        secure.once('secureConnect', resolve).once('error', reject);
        secure.once('close', () => reject(new Error('closed during the handshake')));
      }),
      'a TLS handshake',
    );
  } catch (error) {
    client.close();
    throw error;
  }
  return client;
}

/** How a handshake that must not succeed failed: node's code, such as ERR_SSL_TLSV1_UNRECOGNIZED_NAME, or `closed`. */
export async function handshakeFailure(
  port: number,
  options: TlsClientOptions = {},
): Promise<string> {
  try {
    (await connectTls(port, options)).close();
    return 'none';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'closed';
  }
}
