// The checks of references.ts on TLS and on the PROXY protocol.
import type { Address } from './address.ts';
import { type Path, show } from './problems.ts';
import { asList, asMap, type Report, type Written } from './raw.ts';
import { TLS_VERSIONS, type TlsVersion } from './schema-tls.ts';

export function checkListenerTls(at: Path, listener: Written, report: Report): void {
  const { protocol, proxyProtocol, tls } = listener;
  if (
    (proxyProtocol === 'optional' || proxyProtocol === 'required') &&
    asList(listener.trustedProxies).length === 0
  ) {
    report([...at, 'proxyProtocol'], {
      expected: 'trustedProxies beside it: nobody else is believed',
      received: show(proxyProtocol),
      hint: 'name the addresses of the proxies in front: trustedProxies: ["10.0.0.0/8"]',
    });
  }
  if (protocol !== 'https' && protocol !== 'tcp' && protocol !== 'forward') {
    refuseRoutesByCertificate(at, listener, `${String(protocol)} has no TLS`, report);
    return;
  }
  checkTerms([...at, 'tls'], asMap(tls), report);
  if (asMap(tls).clientCertificates === undefined) {
    refuseRoutesByCertificate(at, listener, 'tls.clientCertificates asks for none', report);
  }
  checkHeaders(at, asMap(asMap(asMap(tls).clientCertificates).headers), report);
}

function checkHeaders(at: Path, headers: Written, report: Report): void {
  const seen = new Map<string, string>();
  for (const [field, name] of Object.entries(headers)) {
    if (typeof name !== 'string') continue;
    const first = seen.get(name.toLowerCase());
    if (first !== undefined) {
      report([...at, 'tls', 'clientCertificates', 'headers', field], {
        expected: 'a header of its own',
        received: show(name),
        hint: `${first} has it already`,
      });
    }
    seen.set(name.toLowerCase(), field);
  }
}

function refuseRoutesByCertificate(
  at: Path,
  listener: Written,
  reason: string,
  report: Report,
): void {
  asList(listener.routes).forEach((route, i) => {
    const match = asMap(asMap(route).match);
    if (match.clientCertificate === undefined) return;
    report([...at, 'routes', i, 'match', 'clientCertificate'], {
      expected: 'a listener that asks clients for certificates',
      received: reason,
    });
  });
}

/** Oldest first. */
function checkTerms(at: Path, terms: Written, report: Report): void {
  const oldest = TLS_VERSIONS.indexOf(terms.minVersion as TlsVersion);
  const newest = TLS_VERSIONS.indexOf(terms.maxVersion as TlsVersion);
  if (oldest >= 0 && newest >= 0 && oldest > newest) {
    report([...at, 'minVersion'], {
      expected: 'a version no newer than maxVersion',
      received: `${show(terms.minVersion)} and ${show(terms.maxVersion)}`,
    });
  }
  const least = terms.profile === 'modern' && terms.minVersion === undefined ? 3 : oldest;
  if (terms.maxVersion !== undefined && newest >= 0 && newest < least && oldest < 0) {
    report([...at, 'maxVersion'], {
      expected: 'TLSv1.3, or a minVersion beside it: profile modern begins there',
      received: show(terms.maxVersion),
    });
  }
}

export interface WrittenTarget {
  readonly at: Path;
  readonly address: Address | null;
}

export function checkPoolTls(
  at: Path,
  pool: Written,
  targets: readonly WrittenTarget[],
  report: Report,
): void {
  const tls = asMap(pool.tls);
  checkTerms([...at, 'tls'], tls, report);
  if (tls.serverName !== undefined || tls.verify === false) return;
  for (const { at: place, address } of targets) {
    const isTls = pool.tls !== undefined || address?.isTls === true;
    if (!isTls || address?.kind !== 'socket' || address.socket.family !== 'unix') continue;
    report(place, {
      expected: 'tls.serverName for a unix socket: it has no name to find in a certificate',
      received: show(address.text),
    });
  }
}

/** Certificates by ACME need `acme`, and somewhere to answer its challenges. */
export function checkAcme(root: Written, listeners: Written, report: Report): void {
  const isPlain = Object.values(listeners).some((one) => asMap(one).protocol === 'http');
  for (const [name, raw] of Object.entries(listeners)) {
    asList(asMap(asMap(raw).tls).certificates).forEach((certificate, i) => {
      if (asMap(certificate).acme === undefined) return;
      const at = ['listeners', name, 'tls', 'certificates', i, 'acme'];
      if (root.acme === undefined) {
        report(at, {
          expected: 'acme at the top of the configuration, which says how',
          received: 'none',
          hint: 'add acme: { agreeToTerms: true }',
        });
        return;
      }
      const challenge = asMap(root.acme).challenge ?? 'http-01';
      if (challenge === 'http-01' && !isPlain) {
        report(at, {
          expected: 'an http listener, on which the http-01 challenge is answered',
          received: 'none',
          hint: 'add one, such as redirect: { address: ":80", protocol: http, redirectToHttps: true }, or set acme.challenge: tls-alpn-01',
        });
      }
    });
  }
}
