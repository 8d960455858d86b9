// load-http over TLS: what it agrees on, how it counts handshakes, and targets that do TLS wrong.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { constants } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { createAuthority, type Issued } from '../support/pki.ts';
import { buildPrograms, type Outcome, pattern, run, runAlone, SHORT, spoiled } from './programs.ts';

const BODY = pattern(100);
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n';
const ANSWER = Buffer.concat([Buffer.from(HEAD), BODY]);
const CONNECTIONS = 4;
const SOME = ['--tls', '--connections', `${CONNECTIONS}`, ...SHORT];
/** Requests of the check, which has to succeed before a target may begin to misbehave. */
const CHECKS = 3;

interface Agreed {
  readonly version: string;
  readonly cipher: string;
  readonly group: string;
  readonly key: string;
  readonly handshakes: number;
  readonly resumed: number;
}

const tlsOf = ({ json }: Outcome): Agreed => json.tls as unknown as Agreed;
const hasTls = async (): Promise<boolean> =>
  (await runAlone('load-http', '--about')).json.tls !== null;

let issued: Issued;

before(async () => {
  buildPrograms();
  issued = await (await createAuthority()).issue({ names: ['bench.test'] });
});

/** Calls `answer` for each request; returns what load-http made of it. */
async function load(
  answer: (socket: TLSSocket, request: number) => void,
  options: TlsOptions & { readonly onSession?: (socket: TLSSocket) => void },
  ...parameters: string[]
): Promise<Outcome> {
  const sockets = new Set<TLSSocket>();
  let requests = 0;
  const { onSession, ...rest } = options;
  const listener = createServer(
    { cert: issued.chainPem, key: issued.keyPem, ...rest },
    (socket) => {
      sockets.add(socket.on('error', () => {}));
      socket.setNoDelay(true);
      onSession?.(socket);
      let text = '';
      socket.on('data', (data) => {
        text += data.toString('latin1');
        for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
          text = text.slice(end + 4);
          requests += 1;
          answer(socket, requests);
        }
      });
    },
  );
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  try {
    return await run('load-http', (listener.address() as AddressInfo).port, ...parameters);
  } finally {
    for (const socket of sockets) socket.destroy();
    listener.close();
  }
}

const right = (socket: TLSSocket): void => void socket.write(ANSWER);

describe('load-http over TLS', async () => {
  buildPrograms();
  const skip = (await hasTls()) ? false : 'load-http WAS BUILT WITHOUT TLS (libssl-dev)';

  it('shakes hands once for a kept connection', { skip }, async () => {
    const names = new Set<unknown>();
    const onSession = (socket: TLSSocket): void => void names.add(socket.servername);
    const outcome = await load(right, { onSession }, ...SOME);
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.deepEqual(tlsOf(outcome), {
      version: 'TLSv1.3',
      cipher: 'TLS_AES_128_GCM_SHA256',
      group: 'x25519',
      key: 'EC',
      handshakes: CONNECTIONS,
      resumed: 0,
    });
    assert.ok((outcome.json.totalRequests ?? 0) > CONNECTIONS);
    assert.deepEqual([...names], ['bench.test']);
  });

  it('shakes hands for each request when connections are not kept', { skip }, async () => {
    const outcome = await load(right, {}, ...SOME, '--reuse', 'off', '--tls-name', 'other.test');
    assert.equal(outcome.code, 0, outcome.stderr);
    const { handshakes, resumed } = tlsOf(outcome);
    assert.equal(handshakes, outcome.json.totalRequests);
    assert.equal(resumed, 0);
  });

  for (const version of ['1.3', '1.2']) {
    it(`resumes each client's last session, TLS ${version}`, { skip }, async () => {
      const outcome = await load(
        right,
        {},
        ...[...SOME, '--reuse', 'off', '--resume', '--tls-version', version],
      );
      assert.equal(outcome.code, 0, outcome.stderr);
      const { handshakes, resumed, version: agreed } = tlsOf(outcome);
      assert.equal(agreed, `TLSv${version}`);
      assert.equal(handshakes, outcome.json.totalRequests);
      assert.equal(resumed, handshakes - CONNECTIONS);
    });
  }

  it('says that nothing was resumed where the target gives no tickets', { skip }, async () => {
    const outcome = await load(
      right,
      { secureOptions: constants.SSL_OP_NO_TICKET },
      ...[...SOME, '--reuse', 'off', '--resume', '--tls-version', '1.2'],
    );
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.equal(tlsOf(outcome).resumed, 0);
  });

  it('takes bodies of many records, and sends them', { skip }, async () => {
    const body = pattern(1024 * 1024);
    const head = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`;
    const outcome = await load(
      (socket) => void socket.write(Buffer.concat([Buffer.from(head), body])),
      {},
      ...[...SOME, '--expect-bytes', `${body.length}`],
    );
    assert.equal(outcome.code, 0, outcome.stderr);
    const post = await runAlone(
      ...([
        'load-http',
        '--self-test',
        ...SOME,
        '--method',
        'POST',
        '--body-bytes',
        '300000',
      ] as const),
    );
    assert.equal(post.code, 0, post.stderr);
  });

  it('counts an answer that ends with a closing alert, and not one that is cut off', {
    skip,
  }, async () => {
    const endless = Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), BODY]);
    const closed = await load((socket) => void socket.end(endless), {}, ...SOME);
    assert.equal(closed.code, 0, closed.stderr);
    assert.ok((closed.json.totalRequests ?? 0) > CHECKS);
    const cut = await load(
      (socket, request) => {
        if (request <= CHECKS) socket.end(endless);
        // TCP ends, and no alert says that this was all.
        else socket.write(endless, () => socket.destroy());
      },
      {},
      ...SOME,
    );
    assert.equal(cut.code, 1);
    assert.ok((cut.json.closed ?? 0) > 0, cut.stdout);
  });

  it('notices wrong bytes', { skip }, async () => {
    const outcome = await load((socket) => void socket.write(spoiled(ANSWER)), {}, ...SOME);
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /another body/);
  });

  it('says when TLS cannot be agreed on', { skip }, async () => {
    for (const [options, parameters] of [
      [{ maxVersion: 'TLSv1.2' }, []],
      [{ minVersion: 'TLSv1.3' }, ['--tls-version', '1.2']],
      [{ ciphers: 'TLS_AES_256_GCM_SHA384' }, ['--reuse', 'off']],
      [{ ecdhCurve: 'P-384' }, ['--tls-group', 'P-256']],
    ] as const) {
      const outcome = await load(right, options, ...SOME, ...parameters);
      assert.equal(outcome.code, 1);
      assert.match(outcome.stderr, /TLS was not agreed on/, JSON.stringify(options));
    }
  });

  it('counts handshakes that fail later', { skip }, async () => {
    let connections = 0;
    // Half of those that begin at once after the check: it comes that far however slow it is.
    const good = CHECKS + CONNECTIONS / 2;
    const outcome = await load(
      right,
      {
        SNICallback: (_name, done) => {
          connections += 1;
          done(connections > good ? new Error('no more') : null);
        },
      },
      ...[...SOME, '--reuse', 'off'],
    );
    assert.equal(outcome.code, 1);
    assert.ok((outcome.json.handshakeFailures ?? 0) > 0, outcome.stdout);
    assert.equal(outcome.json.totalRequests, good);
  });

  it('refuses ciphers and groups that there are none of', { skip }, async () => {
    for (const parameters of [
      ['--tls-cipher', 'NONE'],
      ['--tls-group', 'none'],
    ]) {
      const outcome = await run('load-http', 1, '--tls', ...parameters);
      assert.equal(outcome.code, 1);
      assert.match(outcome.stderr, /no such version, cipher or group/);
    }
  });

  for (const parameters of [
    ['--reuse', 'on'],
    ['--reuse', 'off'],
    ['--reuse', 'off', '--resume'],
    ['--reuse', 'off', '--tls-version', '1.2'],
    ['--expect-bytes', '1048576', '--connections', '2'],
    ['--arrival', 'poisson', '--rate', '200'],
  ]) {
    it(`reaches a ceiling of its own, ${parameters.join(' ')}`, { skip }, async () => {
      const { code, stderr, json } = await runAlone(
        'load-http',
        ...['--self-test', '--tls', ...SHORT, ...parameters],
      );
      assert.equal(code, 0, stderr);
      assert.ok((json.rate ?? 0) > 0 && (json.ceiling ?? 0) > 0 && json.wrong === 0);
    });
  }
});

describe('load-http built without TLS', () => {
  it('says so, and refuses --tls', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-load-'));
    try {
      const program = join(folder, 'load-http');
      const make = ['-s', '-C', 'native/load', 'TLS=no', `OUT=${folder}`, program];
      execFileSync('make', make, { stdio: 'inherit' });
      assert.equal(String(execFileSync(program, ['--about'])), '{"tls":null}\n');
      assert.throws(
        () => execFileSync(program, ['--self-test', '--tls'], { stdio: 'pipe' }),
        /built without TLS: install OpenSSL's headers \(libssl-dev\)/,
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
