// What stands in for a proxy where ACME is tested by itself: it answers challenges with what is put in force.

import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import { createSecureContext, createServer as createTlsServer } from 'node:tls';
import type { Config, ConfigInput } from '../../../src/config/config.ts';
import { parseConfig } from '../../../src/config/parse.ts';
import { openAcme } from '../../../src/control/acme.ts';
import type {
  CredentialSink,
  CredentialSource,
  SuppliedCredentials,
} from '../../../src/control/credential-source.ts';
import type { LoadedCertificate } from '../../../src/plan/credentials.ts';
import {
  type AcmeDirectoryOptions,
  startAcmeDirectory,
  type TestAcmeDirectory,
} from '../../support/acme-directory.ts';
import { eventually } from '../../support/deadline.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder, writeText } from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';

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

export const DAY = 86_400_000;
export const MINUTE = 60_000;

export const until = (what: string, check: () => boolean) => eventually(what, check);

type AcmeInput = Partial<NonNullable<ConfigInput['acme']>>;

export interface Setting {
  readonly directory: TestAcmeDirectory;
  readonly site: Site;
  readonly config: Config;
}

/** Everything that tests of ACME need, anew for each test of the file that calls this. */
export function acmeFixture() {
  let scope: Scope;
  let clock: ManualClock;
  let folder: string;
  beforeEach(async () => {
    scope = new Scope();
    clock = new ManualClock();
    folder = await temporaryFolder(scope);
  });
  afterEach(() => scope.close());

  const configOf = async (
    directory: TestAcmeDirectory,
    acme: AcmeInput = {},
    certificates: readonly string[][] = [['example.test']],
  ): Promise<Config> =>
    parseConfig({
      listeners: {
        plain: { address: '127.0.0.1:0', protocol: 'http', redirectToHttps: true },
        web: {
          address: '127.0.0.1:0',
          protocol: 'https',
          tls: { certificates: certificates.map((names) => ({ acme: [...names] })) },
          routes: [{ respond: { body: 'hello' } }],
        },
      },
      acme: {
        directory: directory.url,
        agreeToTerms: true,
        email: 'ops@example.test',
        storage: join(folder, 'storage'),
        ca: await writeText(folder, 'directory.pem', directory.ca),
        ...acme,
      },
    });

  return {
    get scope() {
      return scope;
    },
    get clock() {
      return clock;
    },
    get folder() {
      return folder;
    },
    configOf,
    async setUp(
      acme: AcmeInput = {},
      options: AcmeDirectoryOptions & { readonly certificates?: readonly string[][] } = {},
    ): Promise<Setting> {
      const directory = await startAcmeDirectory(scope, { now: () => clock.now(), ...options });
      const site = new Site();
      directory.ports = await site.listen(scope);
      return { directory, site, config: await configOf(directory, acme, options.certificates) };
    },
    /** Opens a source and lets it run. */
    async run({ config, site }: Setting): Promise<CredentialSource> {
      return startSource(scope, await openAcme(config, clock), site);
    },
    /** Of the storage, those whose name is like this. */
    filesOf(name: RegExp): string[] {
      return readdirSync(join(folder, 'storage'), { recursive: true, encoding: 'utf8' })
        .filter((file) => name.test(file))
        .map((file) => join(folder, 'storage', file));
    },
  };
}

/** Closed with the scope. */
export function startSource(scope: Scope, source: CredentialSource, site: Site): CredentialSource {
  source.start(site);
  return scope.own(source);
}
