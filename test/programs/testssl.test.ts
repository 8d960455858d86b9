// What testssl.sh finds: on the default profile nothing above LOW, beside what is listed here with its reason. It asks a
// listener with an EC and an RSA certificate, so it judges both.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Scope } from '../support/scope.ts';
import { missing, pathOf, runProgram } from './programs.ts';
import { makePapers, type Papers, pair } from './site.ts';
import { enginesHere, runSluice } from './sluice.ts';

interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

/** By id: why it is no fault of what is tested. Each has to be found, or it must not be listed. */
const KNOWN: Readonly<Record<string, string>> = {
  security_headers: 'headers such as Content-Security-Policy are for the application to choose',
};

/** What it warns that it could not find out: of itself and of where it runs, or by chance. Only ever warnings. */
const NOT_FOUND_OUT: Readonly<Record<string, string>> = {
  engine_problem: 'its openssl has no GOST; nor have we',
  // Its s_client ends with its empty input, often before the tickets of TLS 1.3 have come, whoever sends them; it then
  // has no session to resume. tls.test.ts sees sessions of TLS 1.3 resumed.
  sessionresumption_ticket: 'it does not wait for the ticket',
};

const HARMLESS = ['OK', 'INFO', 'LOW', 'DEBUG'];
const engine = enginesHere()[0];
const program = pathOf('testssl', 'testssl.sh');
const skip = missing('testssl.sh', 'testssl') || missing('openssl');

describe('testssl.sh', {
  skip: skip || (engine !== 'native' && 'the native engine is not built'),
}, () => {
  const scope = new Scope();
  let papers: Papers;
  let ports: Readonly<Record<'intermediate' | 'modern' | 'old', number>>;
  before(async () => {
    papers = await makePapers(scope);
    const options = {
      names: ['localhost'],
      ips: ['127.0.0.1'],
      usage: 'server',
      crlUrl: 'http://crl.test/sites.crl',
    } as const;
    const certificates = [
      pair(await papers.site('ec', options)),
      pair(await papers.site('rsa', { ...options, keyType: 'rsa' })),
    ];
    const listener = (terms: object) => ({
      address: '127.0.0.1:0',
      protocol: 'https',
      hsts: true,
      tls: { certificates, ...terms },
      routes: [{ respond: { body: 'hello' } }],
    });
    const sluice = await runSluice(scope, papers.folder, 'native', {
      listeners: {
        intermediate: listener({}),
        modern: listener({ profile: 'modern' }),
        old: listener({ profile: 'old' }),
      },
    });
    ports = {
      intermediate: await sluice.portOf('intermediate'),
      modern: await sluice.portOf('modern'),
      old: await sluice.portOf('old'),
    };
  });
  after(() => scope.close());

  async function findings(port: number, name: string, ...args: string[]): Promise<Finding[]> {
    const file = join(papers.folder, `${name}.json`);
    const openssl = pathOf('openssl') ?? 'openssl';
    const { output } = await runProgram(
      program ?? 'testssl',
      [
        ...['--quiet', '--color', '0', '--warnings', 'batch', '--openssl', openssl],
        ...['--jsonfile', file, '-n', 'none', '--add-ca', papers.ca, ...args],
        `127.0.0.1:${port}`,
      ],
      { cwd: papers.folder, timeoutMs: 900_000 },
    );
    const text = await readFile(file, 'utf8').catch(() => '');
    assert.ok(text.startsWith('['), output);
    return JSON.parse(text) as Finding[];
  }

  /** What a protocol was found to be, by testssl's name for it: SSLv2, TLS1, TLS1_3 … */
  const protocols = (all: readonly Finding[]): Record<string, string> =>
    Object.fromEntries(
      all
        .filter(({ id }) => /^(SSLv[23]|TLS1(_[123])?)$/.test(id))
        .map(({ id, finding }) => [id, /not offered/.test(finding) ? 'no' : 'yes']),
    );

  it('finds nothing above LOW on the default profile', async () => {
    const all = await findings(ports.intermediate, 'intermediate');
    const grave = all.filter(
      ({ id, severity }) =>
        !HARMLESS.includes(severity) && !(severity === 'WARN' && NOT_FOUND_OUT[id] !== undefined),
    );
    const unknown = grave.filter(({ id }) => KNOWN[id] === undefined);
    assert.deepEqual(unknown, []);
    assert.deepEqual([...new Set(grave.map(({ id }) => id))], Object.keys(KNOWN));
    // It got to the end, and saw both certificates and what it judged.
    const ids = new Set(all.map(({ id }) => id));
    for (const id of ['heartbleed', 'BEAST', 'LUCKY13', 'RC4', 'HSTS_time', 'secure_renego'])
      assert.ok(ids.has(id), `${id} is not among ${[...ids].join(' ')}`);
    const trust = all.filter(({ id }) => id.startsWith('cert_chain_of_trust'));
    assert.deepEqual(
      trust.map(({ severity }) => severity),
      ['OK', 'OK'],
    );
    assert.deepEqual(protocols(all), {
      ...{ SSLv2: 'no', SSLv3: 'no', TLS1: 'no', TLS1_1: 'no', TLS1_2: 'yes', TLS1_3: 'yes' },
    });
  });

  it('finds TLS 1.3 alone under modern, and 1.0 to 1.3 under old', async () => {
    const of = async (name: 'modern' | 'old') =>
      protocols(await findings(ports[name], name, '--fast', '-p'));
    const none = { SSLv2: 'no', SSLv3: 'no' };
    assert.deepEqual(await of('modern'), {
      ...none,
      ...{ TLS1: 'no', TLS1_1: 'no', TLS1_2: 'no', TLS1_3: 'yes' },
    });
    assert.deepEqual(await of('old'), {
      ...none,
      ...{ TLS1: 'yes', TLS1_1: 'yes', TLS1_2: 'yes', TLS1_3: 'yes' },
    });
  });
});
