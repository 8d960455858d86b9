// What stands in for a proxy where ACME is tested by itself: it answers challenges with what is put in force.

import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSecureContext, createServer as createTlsServer } from 'node:tls';
import type {
  CredentialSink,
  CredentialSource,
  SuppliedCredentials,
} from '../../../src/control/credential-source.ts';
import type { LoadedCertificate } from '../../../src/plan/credentials.ts';
import { eventually } from '../../support/deadline.ts';
import type { Scope } from '../../support/scope.ts';

const PREFIX = '/.well-known/acme-challenge/';

export class Site implements CredentialSink {
  readonly puts: { readonly supplied: SuppliedCredentials; readonly reason: string }[] = [];
  readonly warnings: string[] = [];
  readonly notes: string[] = [];
  /** The next plans cannot be made. */
  refusals = 0;
  #inForce: SuppliedCredentials | null = null;

  async put(supplied: SuppliedCredentials, reason: string): Promise<void> {
    // As an engine does: in force a little later than asked for.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.refusals > 0) {
      this.refusals--;
      throw new Error('no such plan');
    }
    this.#inForce = supplied;
    this.puts.push({ supplied, reason });
  }

  warn(message: string): void {
    this.warnings.push(message);
  }

  note(message: string): void {
    this.notes.push(message);
  }

  /** The certificate in force for the entry with these names. */
  certificate(...names: string[]): LoadedCertificate | undefined {
    return this.#inForce?.certificates.get(`acme ${names.join(' ')}`);
  }

  get inForce(): SuppliedCredentials | null {
    return this.#inForce;
  }

  async listen(scope: Scope): Promise<{ readonly http: number; readonly tls: number }> {
    const http = createHttpServer((request, response) => {
      const token = request.url?.startsWith(PREFIX) ? request.url.slice(PREFIX.length) : '';
      const answer = this.#inForce?.httpChallenges.get(token);
      response.statusCode = answer === undefined ? 404 : 200;
      response.end(answer);
    });
    const tls = createTlsServer({
      ALPNProtocols: ['acme-tls/1'],
      SNICallback: (name, done) => {
        const found = this.#inForce?.tlsChallenges.get(name);
        if (found === undefined) done(new Error('no challenge for this name'));
        else done(null, createSecureContext({ cert: found.chain, key: found.key.reveal() }));
      },
    });
    tls.on('tlsClientError', () => undefined);
    for (const one of [http, tls]) {
      one.listen(0, '127.0.0.1');
      await once(one, 'listening');
      scope.defer(() => void one.close());
    }
    return { http: portOf(http.address()), tls: portOf(tls.address()) };
  }
}

const portOf = (address: unknown) => (address as AddressInfo).port;

/** Closed with the scope. */
export function startSource(scope: Scope, source: CredentialSource, site: Site): CredentialSource {
  source.start(site);
  return scope.own(source);
}

export const until = (what: string, check: () => boolean) => eventually(what, check);
