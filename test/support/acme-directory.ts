// A small ACME directory (RFC 8555) for tests: it verifies what it is sent, goes and looks whether challenges are
// answered, and issues certificates of an authority of its own. It fails on demand.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { AcmeRefusal, malformed, Nonces, readSigned, wordRefusal } from './acme-jws.ts';
import {
  type Account,
  AcmeLedger,
  type AcmeStep,
  type OrderState,
  type Reply,
} from './acme-ledger.ts';
import type { ValidationPorts } from './acme-validation.ts';
import { createAuthority } from './pki.ts';
import type { Scope } from './scope.ts';

export interface AcmeFault {
  readonly at: AcmeStep;
  /** Once by default. */
  readonly times?: number;
  /** Waited for before anything is answered. */
  readonly until?: Promise<void>;
  readonly refuse?: AcmeRefusal;
}

export interface AcmeDirectoryOptions {
  readonly now?: () => number;
  /** 90 days by default. */
  readonly lifetimeMs?: number;
  /** How far certificates are dated back: an hour by default. */
  readonly backdateMs?: number;
}

export class TestAcmeDirectory {
  /** Every step that was asked for, in order. */
  readonly steps: AcmeStep[] = [];
  /** PEM: clients believe what is issued by it. */
  readonly issuerCa: string;
  /** PEM: acme.ca. */
  readonly ca: string;
  readonly #ledger: AcmeLedger;
  readonly #faults: { fault: AcmeFault; left: number }[] = [];
  readonly #nonces = new Nonces();
  readonly #server: Server;

  /** Use startAcmeDirectory(). */
  constructor(ledger: AcmeLedger, { issuerCa, ca, identity }: Papers) {
    this.#ledger = ledger;
    this.issuerCa = issuerCa;
    this.ca = ca;
    this.#server = createServer(
      identity,
      (request, response) => void this.#serve(request, response),
    );
  }

  get url(): string {
    return `${this.#ledger.base}/directory`;
  }

  get accounts(): readonly Account[] {
    return this.#ledger.accounts;
  }

  get orders(): readonly OrderState[] {
    return this.#ledger.orders;
  }

  get ports(): ValidationPorts {
    return this.#ledger.ports;
  }

  /** Where it goes to validate; set when the proxy under test is bound. */
  set ports(ports: ValidationPorts) {
    this.#ledger.ports = ports;
  }

  /** The next requests to a step fare like this. */
  inject(fault: AcmeFault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 });
  }

  /** How often a step was asked for. */
  count(step: AcmeStep): number {
    return this.steps.filter((one) => one === step).length;
  }

  /** As directories for tests do when they are set up anew. */
  forgetAccounts(): void {
    this.#ledger.accounts.length = 0;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const { port } = this.#server.address() as AddressInfo;
    this.#ledger.base = `https://localhost:${port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('Replay-Nonce', this.#nonces.make());
    response.setHeader('Cache-Control', 'no-store');
    try {
      const { status, body, location } = await this.#answer(request);
      if (location !== undefined) response.setHeader('Location', location);
      response.statusCode = status;
      const isText = typeof body === 'string';
      response.setHeader(
        'Content-Type',
        isText ? 'application/pem-certificate-chain' : 'application/json',
      );
      response.end(isText ? body : JSON.stringify(body));
    } catch (error) {
      const refusal = error instanceof AcmeRefusal ? error : malformed((error as Error).message);
      for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value);
      response.statusCode = refusal.status;
      response.setHeader('Content-Type', 'application/problem+json');
      response.end(JSON.stringify(wordRefusal(refusal)));
    }
  }

  async #answer(request: IncomingMessage): Promise<Reply> {
    const path = request.url ?? '';
    const [step, index] = stepOf(path);
    this.steps.push(step);
    const body = (await request.setEncoding('utf8').toArray()).join('');
    await this.#suffer(step);
    if (!request.headers['user-agent']) throw malformed('no User-Agent');
    if (step === 'directory') return { status: 200, body: this.#resources() };
    if (step === 'newNonce') return { status: request.method === 'HEAD' ? 200 : 204, body: '' };
    if (request.method !== 'POST') throw new AcmeRefusal(405, 'malformed', 'POST alone');
    if (request.headers['content-type'] !== 'application/jose+json') {
      throw new AcmeRefusal(415, 'malformed', 'application/jose+json alone');
    }
    const ledger = this.#ledger;
    const url = ledger.base + path;
    const keyOf = (kid: string) => ledger.account(kid).jwk;
    const signed = readSigned({ url, body, nonces: this.#nonces, keyOf });
    if (step === 'newAccount') return ledger.newAccount(signed);
    if (signed.kid === null) throw malformed('kid, not jwk');
    return ledger.act(step, index, ledger.account(signed.kid), signed.payload);
  }

  async #suffer(step: AcmeStep): Promise<void> {
    const injected = this.#faults.find(({ fault, left }) => fault.at === step && left > 0);
    if (injected === undefined) return;
    injected.left--;
    await injected.fault.until;
    if (injected.fault.refuse !== undefined) throw injected.fault.refuse;
  }

  #resources(): object {
    const { base } = this.#ledger;
    return {
      newNonce: `${base}/newNonce`,
      newAccount: `${base}/newAccount`,
      newOrder: `${base}/newOrder`,
      meta: { termsOfService: `${base}/terms` },
    };
  }
}

interface Papers {
  readonly issuerCa: string;
  readonly ca: string;
  /** What it shows itself with. */
  readonly identity: { readonly cert: string; readonly key: string };
}

export async function startAcmeDirectory(
  scope: Scope,
  options: AcmeDirectoryOptions = {},
): Promise<TestAcmeDirectory> {
  const [root, own] = await Promise.all([createAuthority(), createAuthority()]);
  const issuer = await root.intermediate();
  const { chainPem, keyPem } = await own.issue({ names: ['localhost'], ips: ['127.0.0.1'] });
  const ledger = new AcmeLedger({
    issuer,
    now: options.now ?? Date.now,
    lifetimeMs: options.lifetimeMs ?? 90 * 86_400_000,
    backdateMs: options.backdateMs ?? 3_600_000,
  });
  const identity = { cert: chainPem, key: keyPem };
  const papers = { issuerCa: root.certPem, ca: own.certPem, identity };
  const directory = new TestAcmeDirectory(ledger, papers);
  await directory.listen();
  return scope.own(directory);
}

function stepOf(path: string): [AcmeStep, number] {
  const [, step = '', index = ''] = path.split('/');
  return [step as AcmeStep, Number(index)];
}
