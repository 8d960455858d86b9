// TLS to targets. ClientTls is what pools have in common, immutable; TargetTls is one target's: the name that is asked
// for and found in its certificate, and the session to resume. Main thread; TargetTls is owned by its LiveTarget.
import { isIP, type Socket } from 'node:net';
import tls, { type PeerCertificate, type SecureContext, type TLSSocket } from 'node:tls';
import type { ErrorCode } from '../../contract/codes.ts';
import type { PlanClientTls } from '../../plan/plan.ts';
import { crlOption, termsOptions } from './tls-terms.ts';
import { abortSocket, Wire } from './wire.ts';

let made = 0;

export class ClientTls {
  /** Different for any two that were made. */
  readonly id = ++made;
  readonly plan: PlanClientTls;
  readonly context: SecureContext;

  /** Throws what node:tls refuses. */
  constructor(plan: PlanClientTls) {
    this.plan = plan;
    const { verify, ca, crl, certificate, terms } = plan;
    this.context = tls.createSecureContext({
      ...termsOptions(terms),
      ...(verify ? { ca, ...crlOption(crl) } : {}),
      ...(certificate === null ? {} : { cert: certificate.chain, key: certificate.key.reveal() }),
    });
  }
}

export class TargetTls {
  readonly client: ClientTls;
  readonly serverName: string;
  session: Buffer | null = null;

  constructor(client: ClientTls, serverName: string) {
    this.client = client;
    this.serverName = serverName;
  }

  /** Whether the certificate that was shown does not hold. */
  rejects(socket: TLSSocket): boolean {
    const { verify, fingerprints } = this.client.plan;
    if (verify && !socket.authorized) return true;
    if (fingerprints.length === 0) return false;
    const digits = socket.getPeerX509Certificate()?.fingerprint256.replaceAll(':', '');
    return digits === undefined || !fingerprints.includes(digits.toLowerCase());
  }

  /** The name in the certificate must be the target's; '' is checked by nobody. */
  checkIdentity(certificate: PeerCertificate): Error | undefined {
    return this.serverName === ''
      ? undefined
      : tls.checkServerIdentity(this.serverName, certificate);
  }
}

export interface SecureHandlers {
  readonly onSecure: (secure: TLSSocket) => void;
  readonly onFailed: (code: ErrorCode) => void;
}

/**
 * Speaks TLS over a connection to a target. Calls exactly one handler, or none once the returned function has
 * cancelled it. Nothing is sent before the certificate was found to hold.
 */
export function secureUpstream(
  raw: Socket,
  target: TargetTls,
  { onSecure, onFailed }: SecureHandlers,
): () => void {
  const wire = new Wire(raw);
  const { serverName, session, client } = target;
  // Names alone are asked for (RFC 6066, section 3).
  const isName = serverName !== '' && isIP(serverName) === 0;
  const secure = tls.connect({
    socket: wire,
    secureContext: client.context,
    servername: isName ? serverName : '',
    checkServerIdentity: (_name, certificate) => target.checkIdentity(certificate),
    // What is wrong with it is asked below, where it can be told from other failures.
    rejectUnauthorized: false,
    ...(session === null ? {} : { session }),
  });
  wire.carry(secure);
  let latest: Buffer | null = null;
  let isTrusted = false;
  secure.on('session', (fresh) => {
    latest = fresh;
    if (isTrusted) target.session = fresh;
  });
  const settle = (): void => {
    secure.off('secureConnect', onConnect).off('error', onError).off('close', onClose);
  };
  const fail = (code: ErrorCode): void => {
    settle();
    secure.on('error', ignore);
    target.session = null;
    abortSocket(secure);
    onFailed(code);
  };
  const onConnect = (): void => {
    if (target.rejects(secure)) {
      fail('upstream_certificate_rejected');
      return;
    }
    settle();
    isTrusted = true;
    if (latest !== null) target.session = latest;
    onSecure(secure);
  };
  const onError = (): void => fail('upstream_tls_failed');
  const onClose = (): void => fail('upstream_tls_failed');
  secure.once('secureConnect', onConnect).once('error', onError).once('close', onClose);
  return () => {
    settle();
    secure.on('error', ignore);
    abortSocket(secure);
  };
}

function ignore(): void {}
