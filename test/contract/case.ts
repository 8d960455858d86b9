// What a contract case is: a sentence about behaviour and the code that shows it on any engine.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Capabilities } from '../../src/engine/engine.ts';
import type { BlackholeTarget } from '../support/blackhole-target.ts';
import { startBlackholeTarget } from '../support/blackhole-target.ts';
import { type HttpClient, openHttp } from '../support/http-client.ts';
import {
  type HttpTarget,
  type HttpTargetOptions,
  startHttpTarget,
} from '../support/http-target.ts';
import { type ConnectOptions, connectRaw, type RawConnection } from '../support/raw-connection.ts';
import {
  type CreateEngine,
  type RunningEngine,
  type StartOptions,
  startEngine,
} from '../support/running-engine.ts';
import type { Closable, Scope } from '../support/scope.ts';
import { startTcpTarget, type TcpTarget, type TcpTargetOptions } from '../support/tcp-target.ts';
import { connectTls, type TlsClient, type TlsClientOptions } from '../support/tls-client.ts';

export interface Case {
  /** A sentence; unique within its feature. */
  readonly name: string;
  readonly run: (test: CaseContext) => Promise<void>;
  /** Capabilities without which the case says nothing about an engine. */
  readonly needs?: (capabilities: Capabilities) => boolean;
}

/** For cases about protocols that not every engine has. */
export function offers(...protocols: readonly Protocol[]): (capabilities: Capabilities) => boolean {
  return (capabilities) => protocols.every((one) => capabilities.protocols.includes(one));
}

type Protocol = Capabilities['protocols'][number];

/** The same cases for engines with these protocols alone. */
export function offering(protocols: readonly Protocol[], cases: readonly Case[]): Case[] {
  const hasAll = offers(...protocols);
  return cases.map((one) => ({
    ...one,
    needs: (capabilities) => hasAll(capabilities) && (one.needs?.(capabilities) ?? true),
  }));
}

export interface Feature {
  readonly name: string;
  readonly cases: readonly Case[];
  /** Cases that look at the process as a whole run by themselves. */
  readonly isSerial?: boolean;
}

/** Opens what a case needs; everything is closed when the case ends. */
export class CaseContext {
  readonly create: CreateEngine;
  readonly #scope: Scope;

  constructor(create: CreateEngine, scope: Scope) {
    this.create = create;
    this.#scope = scope;
  }

  own<T extends Closable>(thing: T): T {
    return this.#scope.own(thing);
  }

  defer(close: () => Promise<void> | void): void {
    this.#scope.defer(close);
  }

  async engine(config: unknown, options: StartOptions = {}): Promise<RunningEngine> {
    return this.own(await startEngine(this.create, config, options));
  }

  async tcpTarget(options: TcpTargetOptions = {}): Promise<TcpTarget> {
    return this.own(await startTcpTarget(options));
  }

  async httpTarget(options: HttpTargetOptions = {}): Promise<HttpTarget> {
    return this.own(await startHttpTarget(options));
  }

  async blackhole(): Promise<BlackholeTarget> {
    return this.own(await startBlackholeTarget());
  }

  /** A connection over TLS whose handshake is done. */
  async tls(port: number, options: TlsClientOptions = {}): Promise<TlsClient> {
    return this.own(await connectTls(port, options));
  }

  /** An empty folder that goes with the case. */
  async folder(): Promise<string> {
    const folder = await mkdtemp(path.join(tmpdir(), 'sluice-'));
    this.defer(() => rm(folder, { recursive: true, force: true }));
    return folder;
  }

  /** A path for a unix socket in a folder that goes with the case. */
  async unixPath(): Promise<string> {
    return path.join(await this.folder(), 'it.sock');
  }

  async connect(where: number | string, options: ConnectOptions = {}): Promise<RawConnection> {
    return this.own(await connectRaw(where, options));
  }

  async http(where: number | string, options: ConnectOptions = {}): Promise<HttpClient> {
    return this.own(await openHttp(where, options));
  }
}
