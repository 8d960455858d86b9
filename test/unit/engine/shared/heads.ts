// Heads as node:http hands them over, for the tests of what reads them.
import type { IncomingMessage } from 'node:http';
import { listenerIndex, poolIndex, routeIndex, targetIndex } from '../../../../src/contract/ids.ts';
import { EntityStats } from '../../../../src/engine/shared/entity-stats.ts';
import type { LiveListener } from '../../../../src/engine/shared/live-plan.ts';
import { type RequestHead, readRequestHead } from '../../../../src/engine/shared/request-head.ts';
import type { PlanListener, PlanRoute, PlanTarget } from '../../../../src/plan/plan.ts';

export const LIMITS = { headBytes: 32_768, headerCount: 100, targetBytes: 8192, bodyBytes: 0 };

export interface HeadParts {
  readonly method?: string;
  readonly url?: string;
  readonly version?: string;
  readonly fields?: readonly string[];
}

export function incoming(parts: HeadParts): IncomingMessage {
  const { method = 'GET', url = '/', version = '1.1', fields = ['Host', 'a'] } = parts;
  const [httpVersionMajor, httpVersionMinor] = version.split('.').map(Number);
  const message = { method, url, httpVersionMajor, httpVersionMinor, rawHeaders: fields };
  return message as unknown as IncomingMessage;
}

export function headOf(parts: HeadParts): RequestHead {
  const outcome = readRequestHead(incoming(parts), LIMITS);
  if ('code' in outcome) throw new Error(`refused: ${outcome.code}`);
  return outcome.head;
}

export function responseOf(status: number, fields: readonly string[], version = '1.1') {
  const message = incoming({ fields, version });
  return Object.assign(message, { statusCode: status, statusMessage: 'Reason' });
}

export function routeWith(parts: Partial<PlanRoute>): PlanRoute {
  return {
    index: routeIndex(0),
    listener: listenerIndex(0),
    name: '*',
    host: { kind: 'any' },
    path: { kind: 'any' },
    certificate: { kind: 'any', commonName: '', fingerprint: '' },
    action: { kind: 'pool', pool: poolIndex(0) },
    stripPrefix: '',
    addPrefix: '',
    hostHeader: { kind: 'client' },
    requestEdits: [],
    responseEdits: [],
    ...parts,
  };
}

export const TARGET: PlanTarget = {
  index: targetIndex(0),
  pool: poolIndex(0),
  name: '10.0.0.1:80',
  authority: 'target.example',
  address: { family: 'ipv4', host: '10.0.0.1', port: 80 },
  weight: 1,
  clientTls: null,
  serverName: '10.0.0.1',
};

export function listenerWith(
  forwarded: PlanListener['forwarded'],
  isTrusted: boolean,
): LiveListener {
  const plan = { name: 'web', forwarded, serverTls: null } as PlanListener;
  const listener = { plan, tls: null, stats: new EntityStats(), log: null, pool: null };
  return { ...listener, isTrusted: () => isTrusted } as unknown as LiveListener;
}
