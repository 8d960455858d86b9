// Every feature of the contract, in the order of the table.
import type { Feature } from './case.ts';
import { httpBodies } from './cases/http-bodies.ts';
import { httpConnections } from './cases/http-connections.ts';
import { httpResponses } from './cases/http-responses.ts';
import { tcp } from './cases/tcp.ts';

export const FEATURES: readonly Feature[] = [tcp, httpConnections, httpBodies, httpResponses];
