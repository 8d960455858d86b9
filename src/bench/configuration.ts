// The Sluice configuration of a case: one listener, one pool with one target; or a forward proxy. What rivals are
// started with is made from the same one, but for forward proxies (squid.ts).
import { userInfo } from 'node:os';
import { parse } from 'yaml';
import type { Config } from '../config/config.ts';
import { parseConfig } from '../config/parse.ts';
import type { ExportSettings } from '../export/exported.ts';
import type { Loop, Protocol, Splice } from './contestant.ts';

export interface Relay {
  readonly protocol: Protocol;
  readonly listenPort: number;
  readonly targetPort: number;
  readonly workers: number;
  readonly splice: Splice;
  readonly loop?: Loop;
  /** The file of the certificate that TLS ends with; its key is beside it, in a file that ends with .key too. */
  readonly certificate?: string;
  /** Where the contestant may keep files; removed after the run. */
  readonly folder: string;
}

/** How long an idle connection or upstream may stay: longer than any run. */
const PATIENCE_SECONDS = 3_600;
/** How long a UDP session may be idle: sessions of earlier samples go before their table grows long. */
const UDP_PATIENCE_SECONDS = 10;
/** Of the largest case: every client's upstream is kept. */
const MOST_CLIENTS = 10_000;
/** Connections that a proxy is told to expect: those of the largest case, their upstreams, and room to spare. */
const CONNECTIONS = 40_000;

/** One version, cipher and curve: the same for all, whatever their defaults. */
function tlsSettings(certificate: string): string {
  return `
    tls:
      certificates: [{ cert: ${certificate}, key: ${certificate}.key }]
      minVersion: TLSv1.3
      cipherSuites: [TLS_AES_128_GCM_SHA256]
      curves: [X25519]`;
}

/** As a person would write it. */
export function writeConfig(relay: Relay): string {
  const { protocol, listenPort, targetPort, splice, loop, certificate } = relay;
  const settings = {
    http: `
    forwarded: "off"
    splice: ${splice}
    timeouts: { keepAlive: ${PATIENCE_SECONDS}s }`,
    tcp: `
    splice: ${splice}
    idleTimeout: ${PATIENCE_SECONDS}s`,
    udp: `
    idleTimeout: ${UDP_PATIENCE_SECONDS}s`,
    // It tells destinations what Squid tells them by default: Via and X-Forwarded-For.
    forward: `
    privateDestinations: ["127.0.0.0/8"]
    connectPorts: ["1-65535"]
    anonymity: transparent
    splice: ${splice}
    timeouts: { keepAlive: ${PATIENCE_SECONDS}s }`,
  } as const satisfies Record<Protocol, string>;
  return `shutdownGrace: 1s
${loop ? `loop: ${loop}\n` : ''}listeners:
  bench:
    address: 127.0.0.1:${listenPort}
    protocol: ${certificate ? 'https' : protocol}${protocol === 'forward' ? '' : '\n    pool: origin'}${settings[protocol]}${certificate ? tlsSettings(certificate) : ''}
${protocol === 'forward' ? '' : pool(targetPort)}`;
}

function pool(targetPort: number): string {
  return `pools:
  origin:
    targets: ["127.0.0.1:${targetPort}"]
    keepAlive: { maxIdle: ${MOST_CLIENTS} }
`;
}

/** The same, validated and with every default: what rivals' configurations are made from. */
export function configOf(relay: Relay): Config {
  return parseConfig(parse(writeConfig(relay)));
}

/** How rivals are to be made from it: in the foreground, keeping their files to themselves, as lean as they can be. */
export function exportSettings({ workers, folder }: Relay): ExportSettings {
  const settings = { workers, folder, connections: CONNECTIONS, isLean: true };
  // Programs that root starts give up root, unless they are told who to be.
  return process.getuid?.() === 0 ? { ...settings, user: userInfo().username } : settings;
}
