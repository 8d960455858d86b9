// Pebble, the ACME directory for tests by Let's Encrypt (Debian: pebble), where it is installed: a judge that we did
// not write. It finds every name at 127.0.0.1, validates for real and refuses good nonces now and then.
import { spawn, spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { request } from 'node:https';
import { type AddressInfo, connect, createServer } from 'node:net';
import { freePort } from '../../src/bench/ports.ts';
import { eventually } from './deadline.ts';
import { createAuthority, temporaryFolder, writePair, writeText } from './pki.ts';
import type { Scope } from './scope.ts';

export const HAS_PEBBLE = spawnSync('pebble', ['-h']).error === undefined;

export interface Pebble {
  readonly url: string;
  /** PEM: acme.ca. */
  readonly ca: string;
  /** Where it goes to validate: set once the proxy under test is bound. */
  readonly ports: { http: number; tls: number };
  /** PEM: clients believe what is issued by it. */
  readIssuerCa(): Promise<string>;
}

export async function startPebble(scope: Scope): Promise<Pebble> {
  const folder = await temporaryFolder(scope);
  const authority = await createAuthority();
  const own = await authority.issue({ names: ['localhost'], ips: ['127.0.0.1'] });
  const { cert, key } = await writePair(folder, own);
  const dns = await startDns(scope);
  const ports = { http: 0, tls: 0 };
  const [port, managementPort] = [await freePort(), await freePort()];
  const config = await writeText(
    folder,
    'pebble.json',
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${port}`,
        managementListenAddress: `127.0.0.1:${managementPort}`,
        certificate: cert,
        privateKey: key,
        // It must know them before there is a proxy.
        httpPort: await startRelay(scope, () => ports.http),
        tlsPort: await startRelay(scope, () => ports.tls),
        ocspResponderURL: '',
        externalAccountBindingRequired: false,
      },
    }),
  );
  const address = `127.0.0.1:${(dns.address() as AddressInfo).port}`;
  const pebble = spawn('pebble', ['-strict', '-config', config, '-dnsserver', address], {
    cwd: folder,
    env: {
      ...process.env,
      PEBBLE_VA_NOSLEEP: '1',
      PEBBLE_WFE_NONCEREJECT: '30',
      PEBBLE_AUTHZREUSE: '0',
    },
    stdio: 'ignore',
  });
  scope.defer(async () => {
    const exit = once(pebble, 'exit');
    pebble.kill('SIGKILL');
    await exit;
  });
  const ca = authority.certPem;
  await eventually('pebble to answer', () => read(port, '/dir', ca).then(Boolean, () => false));
  return {
    url: `https://localhost:${port}/dir`,
    ca,
    ports,
    readIssuerCa: () => read(managementPort, '/roots/0', ca),
  };
}

/** Every name has the address 127.0.0.1 and no other record. */
async function startDns(scope: Scope): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('message', (message, { port, address }) => {
    let end = 12;
    while (message[end]) end += (message[end] ?? 0) + 1;
    const hasAnswer = message.readUInt16BE(end + 1) === 1;
    const head = Buffer.from(message.subarray(0, 12));
    head.writeUInt16BE(0x8180, 2);
    for (const [count, at] of [
      [1, 4],
      [hasAnswer ? 1 : 0, 6],
      [0, 8],
      [0, 10],
    ] as const) {
      head.writeUInt16BE(count, at);
    }
    const answer = hasAnswer ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1] : [];
    const question = message.subarray(12, end + 5);
    socket.send(Buffer.concat([head, question, Buffer.from(answer)]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  scope.defer(() => void socket.close());
  return socket;
}

async function startRelay(scope: Scope, portOf: () => number): Promise<number> {
  const relay = createServer((client) => {
    const upstream = connect(portOf(), '127.0.0.1');
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    client.pipe(upstream).pipe(client);
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  scope.defer(() => void relay.close());
  return (relay.address() as AddressInfo).port;
}

async function read(port: number, path: string, ca: string): Promise<string> {
  const outgoing = request({ host: 'localhost', port, path, ca, agent: false });
  outgoing.end();
  const [response] = await once(outgoing, 'response');
  return (await response.setEncoding('utf8').toArray()).join('');
}
