import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import tls from 'node:tls';
import { type HelloOutcome, readClientHello } from '../../../../src/engine/shared/client-hello.ts';

const vectors = readFileSync(new URL('../../../vectors/client-hello.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [what = '', bytes = '', ...expected] = line.split('\t');
    return { what, bytes: bytesOf(bytes), expected: expected.join(' ') };
  });

function bytesOf(text: string): Buffer {
  const digits = text.replace(/\(([0-9a-f]{2})\*([0-9]+)\)/g, (_, byte: string, count: string) =>
    byte.repeat(Number(count)),
  );
  return Buffer.from(digits === '-' ? '' : digits, 'hex');
}

function describeHello(hello: HelloOutcome): string {
  if (hello === 'alien') return 'not-tls';
  if (typeof hello === 'string') return hello;
  return `hello ${hello.serverName || "''"} ${hello.alpn.join(',') || "''"}`;
}

describe('ClientHellos', () => {
  it('are read as the shared vectors say', () => {
    assert.ok(vectors.length > 90);
    for (const { what, bytes, expected } of vectors) {
      assert.equal(describeHello(readClientHello(bytes)), expected, what);
    }
  });

  it('ask for more at every cut until they are whole', () => {
    for (const { what, bytes, expected } of vectors) {
      if (!expected.startsWith('hello') || bytes.length > 4096) continue;
      let cut = 0;
      while (readClientHello(bytes.subarray(0, cut)) === 'more') cut++;
      for (let more = cut; more <= bytes.length; more++) {
        assert.equal(describeHello(readClientHello(bytes.subarray(0, more))), expected, what);
      }
    }
  });
});

/** What node's TLS client sends first. */
async function helloOf(options: tls.ConnectionOptions): Promise<Buffer> {
  const wire = new Duplex({
    read() {},
    write: (chunk, _encoding, done) => {
      wire.emit('sent', chunk);
      done();
    },
  });
  const sent = once(wire, 'sent') as Promise<[Buffer]>;
  const socket = tls.connect({ ...options, socket: wire });
  socket.on('error', () => {});
  const [bytes] = await sent;
  socket.destroy();
  return bytes;
}

/** The name and the protocols. */
function askedOf(hello: HelloOutcome): unknown {
  return typeof hello === 'string' ? hello : { serverName: hello.serverName, alpn: hello.alpn };
}

describe('readClientHello', () => {
  it('reads the name and the protocols that a client asks for', async () => {
    const hello = await helloOf({
      servername: 'WWW.Example.com',
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    assert.deepEqual(askedOf(readClientHello(hello)), {
      serverName: 'www.example.com',
      alpn: ['h2', 'http/1.1'],
    });
  });

  it('reads one that asks for nothing', async () => {
    assert.deepEqual(askedOf(readClientHello(await helloOf({}))), { serverName: '', alpn: [] });
  });

  it('reads what the client can check', async () => {
    const hello = readClientHello(
      await helloOf({
        minVersion: 'TLSv1.2',
        ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256',
        sigalgs: 'ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256',
      }),
    );
    assert.ok(typeof hello !== 'string');
    // 0x00ff: no renegotiation but a safe one (RFC 5746).
    assert.deepEqual(hello.cipherSuites, [0x1301, 0xc02b, 0x00ff]);
    assert.deepEqual(hello.signatureSchemes, [0x0403, 0x0804]);
    assert.deepEqual(hello.versions, [0x0304, 0x0303]);
    const old = readClientHello(await helloOf({ maxVersion: 'TLSv1.2' }));
    assert.ok(typeof old !== 'string');
    assert.deepEqual(old.versions, []);
  });

  it('asks for more at every byte before the end, and looks at nothing behind it', async () => {
    const hello = await helloOf({ servername: 'a.test' });
    for (let size = 0; size < hello.length; size++) {
      assert.equal(readClientHello(hello.subarray(0, size)), 'more');
    }
    const longer = readClientHello(Buffer.concat([hello, Buffer.from('more')]));
    assert.deepEqual(askedOf(longer), { serverName: 'a.test', alpn: [] });
  });

  it('reads one that lies across records of a byte each', async () => {
    const hello = await helloOf({ servername: 'a.test', ALPNProtocols: ['x'] });
    const records = [...hello.subarray(5)].map((byte) => Buffer.from([22, 3, 1, 0, 1, byte]));
    assert.deepEqual(askedOf(readClientHello(Buffer.concat(records))), {
      serverName: 'a.test',
      alpn: ['x'],
    });
  });

  it('tells what is no TLS from what is bad TLS', async () => {
    assert.equal(readClientHello(Buffer.from('GET / HTTP/1.1\r\n')), 'alien');
    assert.equal(readClientHello(Buffer.from([22, 3, 1, 0, 0])), 'bad');
    assert.equal(readClientHello(Buffer.from([22, 3, 1, 0xff, 0xff])), 'bad');
    assert.equal(readClientHello(Buffer.from([22, 3, 1, 0, 4, 2])), 'bad');
    assert.equal(readClientHello(Buffer.from([22, 3, 1, 0x40, 0, 1, 1, 0, 0])), 'bad');
  });

  it('takes no byte for another: any that is changed leads to an outcome, never to an exception', async () => {
    const hello = await helloOf({ servername: 'a.test', ALPNProtocols: ['h2'] });
    for (let at = 0; at < hello.length; at++) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        const bent = Buffer.from(hello);
        bent[at] = value;
        assert.ok(readClientHello(bent) !== undefined);
      }
    }
  });
});
