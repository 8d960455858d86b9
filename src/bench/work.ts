// The kinds of work that a case can be made of, as data.
export type Arrival =
  /** The next piece of work waits for the answer to the last. */
  | { readonly kind: 'closed' }
  /** At a rate of its own, whatever the answers do. */
  | { readonly kind: 'fixed' | 'poisson'; readonly perSecond: number };

/** Over connections that are kept, or one for each request: with a full handshake, or resuming the client's last session. */
export type TlsWay = 'kept' | 'full' | 'resumed';

export type Work =
  | {
      readonly kind: 'http';
      readonly bodyBytes: number;
      readonly connections: number;
      readonly arrival: Arrival;
      /** Left out: without TLS. */
      readonly tls?: TlsWay;
      /** A connection for each request, without TLS. Left out: kept ones. */
      readonly isReused?: false;
      /** A forward proxy is asked, in absolute form. */
      readonly isForward?: true;
    }
  /** Work is counted in GB (10^9 bytes). */
  | {
      readonly kind: 'tcp-bulk';
      readonly mode: 'pull' | 'push';
      readonly streams: number;
      /** Through tunnels that a forward proxy opens, before the sample. */
      readonly isForward?: true;
    }
  /** A tunnel for each message: connect to a forward proxy, CONNECT, a message and its echo, close. */
  | {
      readonly kind: 'tunnels';
      readonly clients: number;
      readonly bytes: number;
      readonly arrival: Arrival;
    }
  | {
      readonly kind: 'tcp-echo';
      readonly connections: number;
      readonly bytes: number;
      readonly arrival: Arrival;
    }
  | {
      readonly kind: 'udp-echo';
      readonly flows: number;
      readonly outstanding: number;
      readonly bytes: number;
      readonly arrival: Arrival;
    }
  /** Clients that asked once and stay: see memory.ts. */
  | { readonly kind: 'idle'; readonly clients: number };

export const CLOSED: Arrival = { kind: 'closed' };

/** Whether it is done through a forward proxy. */
export function isForward(work: Work): boolean {
  return work.kind === 'tunnels' || ('isForward' in work && work.isForward === true);
}

/** Without TLS, on connections that are kept, to no forward proxy: what every driver can do. */
export function isPlain(work: Work): boolean {
  return (
    work.kind === 'http' &&
    work.tls === undefined &&
    work.isReused !== false &&
    work.isForward === undefined
  );
}

export function isTls(work: Work): boolean {
  return work.kind === 'http' && work.tls !== undefined;
}

export function httpPath(bodyBytes: number): string {
  return `/bytes/${bodyBytes}`;
}

export function arrivalOf(work: Work): Arrival {
  return 'arrival' in work ? work.arrival : CLOSED;
}
