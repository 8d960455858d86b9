// node:dgram sockets as the UDP relay needs them: addresses are literals and never looked up, and what waits to be
// sent is bounded. Main thread.
import dgram from 'node:dgram';
import type { SocketAddress } from '../../contract/address.ts';

/** Datagrams that may wait for the kernel on one socket; more are dropped. */
const SEND_QUEUE_LIMIT = 1024;

export type SendOutcome = (error: Error | null) => void;

export function createDatagramSocket(address: SocketAddress): dgram.Socket {
  return dgram.createSocket({
    type: address.family === 'ipv6' ? 'udp6' : 'udp4',
    lookup: (host, _options, done) => done(null, host, address.family === 'ipv6' ? 6 : 4),
  });
}

/** Resolves when bound, with the address that it has then. */
export function bindDatagram(socket: dgram.Socket, address: SocketAddress): Promise<SocketAddress> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address: address.host, port: address.port, exclusive: true }, () => {
      socket.off('error', reject);
      resolve({ ...address, port: socket.address().port });
    });
  });
}

/** Whether one more datagram may be queued. */
export function hasRoom(socket: dgram.Socket): boolean {
  return socket.getSendQueueCount() < SEND_QUEUE_LIMIT;
}
