// What an ACME directory does to see whether a name is somebody's: it goes there and looks. Names are those of the
// tests, so it goes to a port on loopback whatever they are.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:tls';
import { x509 } from '../../src/control/x509.ts';
import { AcmeRefusal } from './acme-jws.ts';
import { within } from './deadline.ts';

export interface ValidationPorts {
  /** Of the http listener under test. */
  readonly http?: number | undefined;
  /** Of its TLS listener. */
  readonly tls?: number | undefined;
}

export interface ToValidate {
  readonly type: string;
  readonly name: string;
  readonly token: string;
  readonly keyAuthorization: string;
}

const VALIDATION_MS = 5_000;

/** Throws AcmeRefusal, with a type of RFC 8555, section 6.7, unless the answer is there. */
export async function validate(what: ToValidate, ports: ValidationPorts): Promise<void> {
  const looking = what.type === 'http-01' ? overHttp(what, ports) : overTls(what, ports);
  try {
    await within(looking, what.type, VALIDATION_MS);
  } catch (error) {
    if (error instanceof AcmeRefusal) throw error;
    throw new AcmeRefusal(400, 'connection', `${what.name}: ${(error as Error).message}`);
  }
}

/** RFC 8555, section 8.3. */
async function overHttp(what: ToValidate, ports: ValidationPorts): Promise<void> {
  const request = get({
    host: '127.0.0.1',
    port: ports.http,
    path: `/.well-known/acme-challenge/${what.token}`,
    headers: { Host: what.name },
    agent: false,
  });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const body = (await response.setEncoding('utf8').toArray()).join('');
  if (response.statusCode !== 200) {
    throw new AcmeRefusal(403, 'unauthorized', `${what.name}: answered ${response.statusCode}`);
  }
  if (body.trimEnd() !== what.keyAuthorization) {
    throw new AcmeRefusal(403, 'incorrectResponse', `${what.name}: another key authorization`);
  }
}

/** RFC 8737, section 3. */
async function overTls(what: ToValidate, ports: ValidationPorts): Promise<void> {
  const socket = connect({
    host: '127.0.0.1',
    port: ports.tls ?? 0,
    servername: what.name,
    ALPNProtocols: ['acme-tls/1'],
    rejectUnauthorized: false,
  });
  try {
    await once(socket, 'secureConnect');
    const raw = socket.getPeerX509Certificate()?.raw;
    if (socket.alpnProtocol !== 'acme-tls/1' || raw === undefined) {
      throw refused(what, `agreed on ${socket.alpnProtocol || 'nothing'}`);
    }
    checkChallengeCertificate(what, new x509.X509Certificate(raw));
  } finally {
    socket.destroy();
  }
}

function checkChallengeCertificate(what: ToValidate, certificate: x509.X509Certificate): void {
  const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON();
  if (names?.length !== 1 || names[0]?.type !== 'dns' || names[0].value !== what.name) {
    throw refused(what, `a certificate for ${JSON.stringify(names)}`);
  }
  const extension = certificate.getExtension('1.3.6.1.5.5.7.1.31');
  if (extension === null) throw refused(what, 'no acmeIdentifier in the certificate');
  const digest = createHash('sha256').update(what.keyAuthorization).digest('hex');
  const value = Buffer.from(extension.value).toString('hex');
  if (!extension.critical || value !== `0420${digest}`) {
    throw refused(what, `acmeIdentifier ${value}, critical: ${extension.critical}`);
  }
}

function refused(what: ToValidate, found: string): AcmeRefusal {
  return new AcmeRefusal(403, 'incorrectResponse', `${what.name}: ${found}`);
}
