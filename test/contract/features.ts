// Every feature of the contract, in the order of the table.
import type { Feature } from './case.ts';
import { accessLogs } from './cases/access-log.ts';
import { balance, ejections } from './cases/balance.ts';
import { forwardAbuse } from './cases/forward-abuse.ts';
import { forwardConnect } from './cases/forward-connect.ts';
import { forwardDestinations, forwardNames } from './cases/forward-destinations.ts';
import { forwardHttp } from './cases/forward-http.ts';
import { forwardParents } from './cases/forward-parents.ts';
import { forwardPolicy } from './cases/forward-policy.ts';
import { forwardOwn, forwardPrivacy } from './cases/forward-privacy.ts';
import { forwardSocks } from './cases/forward-socks.ts';
import { forwardSocksRefusals } from './cases/forward-socks-refusals.ts';
import { forwardSocksUdp } from './cases/forward-socks-udp.ts';
import { forwardFront } from './cases/forward-tls.ts';
import { forwardLimits, forwardUsers } from './cases/forward-users.ts';
import { httpAborts } from './cases/http-aborts.ts';
import { httpBodies } from './cases/http-bodies.ts';
import { httpConnections } from './cases/http-connections.ts';
import { generatedAnswers, httpLimits, httpTimeouts } from './cases/http-errors.ts';
import { forwardedFields, hopByHopFields } from './cases/http-fields.ts';
import { httpResponses } from './cases/http-responses.ts';
import { httpRetry } from './cases/http-retry.ts';
import { rewriting } from './cases/http-rewriting.ts';
import { routes } from './cases/http-routes.ts';
import { httpUpgrade } from './cases/http-upgrade.ts';
import { lifecycle } from './cases/lifecycle.ts';
import { passthrough } from './cases/passthrough.ts';
import { proxyProtocol } from './cases/proxy-protocol.ts';
import { reload } from './cases/reload.ts';
import { stats } from './cases/stats.ts';
import { tcp } from './cases/tcp.ts';
import { tcpConnections } from './cases/tcp-connections.ts';
import { tlsClientCertificates } from './cases/tls-client-certificates.ts';
import { tlsTermination } from './cases/tls-termination.ts';
import { tlsUpstream } from './cases/tls-upstream.ts';
import { udpRelay } from './cases/udp.ts';
import { udpProxyProtocol } from './cases/udp-proxy-protocol.ts';

export const FEATURES: readonly Feature[] = [
  tcp,
  tcpConnections,
  udpRelay,
  udpProxyProtocol,
  httpConnections,
  httpBodies,
  httpResponses,
  httpUpgrade,
  routes,
  rewriting,
  hopByHopFields,
  forwardedFields,
  generatedAnswers,
  httpTimeouts,
  httpLimits,
  httpAborts,
  httpRetry,
  proxyProtocol,
  passthrough,
  balance,
  ejections,
  stats,
  accessLogs,
  lifecycle,
  reload,
  tlsTermination,
  tlsClientCertificates,
  tlsUpstream,
  forwardHttp,
  forwardAbuse,
  forwardConnect,
  forwardPolicy,
  forwardOwn,
  forwardPrivacy,
  forwardUsers,
  forwardLimits,
  forwardParents,
  forwardNames,
  forwardDestinations,
  forwardFront,
  forwardSocks,
  forwardSocksRefusals,
  forwardSocksUdp,
];
