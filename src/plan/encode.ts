// A plan as bytes, the form in which it crosses the addon boundary: fixed order, little-endian, strings and
// lists with a 32-bit count in front. native/plan/decode.cc reads exactly this and checks every index again.
import type { SocketAddress } from '../contract/address.ts';
import { addressBytes } from '../contract/address.ts';
import {
  ACTIONS,
  ADDRESS_FAMILIES,
  ANONYMITIES,
  CERTIFICATE_FIELDS,
  CERTIFICATE_MATCHES,
  CLIENT_CERTIFICATE_MODES,
  EDIT_OPS,
  FORWARD_ACCEPTS,
  FORWARDED_MODES,
  HOST_HEADERS,
  HOST_MATCHES,
  PAGE_PARTS,
  PATH_MATCHES,
  PLAN_MAGIC,
  POOL_KINDS,
  PROTOCOLS,
  PROXY_ACCEPTS,
  PROXY_SENDS,
  REDIRECT_PARTS,
  SPLICE_MODES,
  STRATEGIES,
} from '../contract/codes.ts';
import type {
  Cidr,
  HeaderEdit,
  HostMatch,
  PathMatch,
  Plan,
  PlanCertificate,
  PlanClientTls,
  PlanForward,
  PlanList,
  PlanListener,
  PlanNameRoute,
  PlanPool,
  PlanRoute,
  PlanRule,
  PlanServerName,
  PlanServerTls,
  PlanTarget,
  PlanTlsTerms,
  PlanUsers,
  PortRange,
} from './plan.ts';

class Writer {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  u8(value: number): void {
    this.#reserve(1);
    this.#view.setUint8(this.#length, value);
    this.#length += 1;
  }
  u16(value: number): void {
    this.#reserve(2);
    this.#view.setUint16(this.#length, value, true);
    this.#length += 2;
  }
  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }
  u64(value: number): void {
    this.u32(value % 2 ** 32);
    this.u32(Math.floor(value / 2 ** 32));
  }
  code<T extends string>(table: readonly T[], value: T): void {
    this.u8(table.indexOf(value));
  }
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }
  bytes(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.raw(bytes);
  }
  text(value: string): void {
    // Latin-1 bytes above 0x7f in header values are configuration text: written as UTF-8.
    this.bytes(Buffer.from(value, 'utf8'));
  }
  list<T>(items: readonly T[], write: (item: T) => void): void {
    this.u32(items.length);
    for (const item of items) write(item);
  }
  done(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const bigger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    bigger.set(this.#bytes);
    this.#bytes = bigger;
    this.#view = new DataView(bigger.buffer);
  }
}

/** An index that is not there. */
const NONE = 0xffff_ffff;

export function encodePlan(plan: Plan): Uint8Array {
  const out = new Writer();
  out.u32(PLAN_MAGIC);
  out.u64(plan.version);
  out.list(plan.listeners, (listener) => writeListener(out, listener));
  out.list(plan.routes, (route) => writeRoute(out, plan, route));
  out.list(plan.pools, (pool) => writePool(out, pool));
  out.list(plan.targets, (target) => writeTarget(out, target));
  out.list(plan.serverTls, (tls) => writeServerTls(out, tls));
  out.list(plan.clientTls, (tls) => writeClientTls(out, tls));
  out.list(plan.forwards, (forward) => writeForward(out, forward));
  out.list(plan.lists, (list) => writeList(out, list));
  out.list(plan.users, (users) => writeUsers(out, users));
  return out.done();
}

function writeAddress(out: Writer, address: SocketAddress): void {
  out.code(ADDRESS_FAMILIES, address.family);
  out.u16(address.port);
  if (address.family === 'unix') out.text(address.host);
  else out.raw(addressBytes(address.family, address.host));
}

function writeCidr(out: Writer, cidr: Cidr): void {
  out.code(ADDRESS_FAMILIES, cidr.family);
  out.raw(addressBytes(cidr.family, cidr.host));
  out.u8(cidr.bits);
}

function writeListener(out: Writer, listener: PlanListener): void {
  out.text(listener.name);
  writeAddress(out, listener.address);
  out.code(PROTOCOLS, listener.protocol);
  out.u32(listener.routes.first);
  out.u32(listener.routes.count);
  out.u32(listener.pool ?? NONE);
  out.list(listener.nameRoutes, (route) => writeNameRoute(out, route));
  out.u32(listener.serverTls ?? NONE);
  out.u32(listener.forward ?? NONE);
  out.code(PROXY_ACCEPTS, listener.proxyProtocol);
  out.u32(listener.maxConnections);
  out.text(listener.accessLog ?? '');
  out.code(FORWARDED_MODES, listener.forwarded);
  out.list(listener.trustedProxies, (cidr) => writeCidr(out, cidr));
  out.code(SPLICE_MODES, listener.splice);
  const { timeouts, limits } = listener;
  out.u32(timeouts.connectMs);
  out.u32(timeouts.handshakeMs);
  out.u32(timeouts.requestHeaderMs);
  out.u32(timeouts.bodyIdleMs);
  out.u32(timeouts.responseHeaderMs);
  out.u32(timeouts.keepAliveMs);
  out.u32(timeouts.idleMs);
  out.u32(limits.headBytes);
  out.u32(limits.headerCount);
  out.u32(limits.targetBytes);
  out.u64(limits.bodyBytes);
  out.u32(listener.maxSessions);
  out.u32(listener.responses);
}

function writeHost(out: Writer, host: HostMatch): void {
  out.code(HOST_MATCHES, host.kind);
  out.text(host.kind === 'any' ? '' : host.value);
}

function writeNameRoute(out: Writer, route: PlanNameRoute): void {
  writeHost(out, route.host);
  out.list(route.alpn, (name) => out.text(name));
  out.u32(route.pool);
}

function writeEdit(out: Writer, edit: HeaderEdit): void {
  out.code(EDIT_OPS, edit.op);
  out.text(edit.name);
  out.text(edit.value);
}

function writePath(out: Writer, path: PathMatch): void {
  out.code(PATH_MATCHES, path.kind);
  switch (path.kind) {
    case 'any':
      out.text('');
      break;
    case 'exact':
    case 'prefix':
      out.text(path.value);
      break;
    case 'regex': {
      const { dfa } = path;
      out.text(path.source);
      out.u16(dfa.classCount);
      out.raw(dfa.classes);
      out.list([...dfa.next], (state) => out.u16(state));
      out.bytes(dfa.accepting);
      break;
    }
  }
}

function writeRoute(out: Writer, plan: Plan, route: PlanRoute): void {
  out.u32(route.listener);
  // Names are unique within a listener; with the listener's in front they are within the plan.
  out.text(`${plan.listeners[route.listener]?.name ?? ''}/${route.name}`);
  out.text(route.name);
  writeHost(out, route.host);
  writePath(out, route.path);
  out.code(CERTIFICATE_MATCHES, route.certificate.kind);
  out.text(route.certificate.commonName);
  out.text(route.certificate.fingerprint);
  out.code(ACTIONS, route.action.kind);
  switch (route.action.kind) {
    case 'pool':
      out.u32(route.action.pool);
      break;
    case 'respond':
      out.u16(route.action.status);
      out.list(route.action.headers, ({ name, value }) => {
        out.text(name);
        out.text(value);
      });
      out.bytes(route.action.body);
      break;
    case 'redirect':
      out.u16(route.action.status);
      out.list(route.action.location, ({ part, text }) => {
        out.code(REDIRECT_PARTS, part);
        out.text(text);
      });
      break;
  }
  out.text(route.stripPrefix);
  out.text(route.addPrefix);
  out.code(HOST_HEADERS, route.hostHeader.kind);
  out.text(route.hostHeader.kind === 'literal' ? route.hostHeader.value : '');
  out.list(route.requestEdits, (edit) => writeEdit(out, edit));
  out.list(route.responseEdits, (edit) => writeEdit(out, edit));
}

function writePool(out: Writer, pool: PlanPool): void {
  out.text(pool.name);
  out.code(STRATEGIES, pool.strategy);
  out.u32(pool.targets.first);
  out.u32(pool.targets.count);
  out.u32(pool.table.length);
  for (const entry of pool.table) out.u32(entry);
  out.u32(pool.retries);
  out.u32(pool.ejectAfter);
  out.u32(pool.ejectMs);
  out.u32(pool.maxEjectMs);
  out.u32(pool.idleMs);
  out.u32(pool.maxIdle);
  out.code(PROXY_SENDS, pool.proxyProtocol);
  out.code(POOL_KINDS, pool.kind);
  out.text(pool.login.reveal());
}

function writeTarget(out: Writer, target: PlanTarget): void {
  out.u32(target.pool);
  out.text(target.name);
  out.text(target.authority);
  writeAddress(out, target.address);
  out.u32(target.weight);
  out.u32(target.clientTls ?? NONE);
  out.text(target.serverName);
}

function writeTerms(out: Writer, terms: PlanTlsTerms): void {
  out.u16(terms.minVersion);
  out.u16(terms.maxVersion);
  out.text(terms.ciphers);
  out.text(terms.cipherSuites);
  out.text(terms.curves);
  out.u8(terms.kernelTls ? 1 : 0);
}

function writeCertificate(out: Writer, certificate: PlanCertificate): void {
  out.text(certificate.name);
  out.text(certificate.chain);
  out.text(certificate.key.reveal());
  out.bytes(certificate.ocsp);
}

function writeServerName(out: Writer, { name, identity }: PlanServerName): void {
  out.text(name);
  out.u32(identity);
}

function writeServerTls(out: Writer, tls: PlanServerTls): void {
  out.list(tls.certificates, (certificate) => writeCertificate(out, certificate));
  out.list(tls.identities, (members) => out.list(members, (member) => out.u32(member)));
  out.list(tls.names, (name) => writeServerName(out, name));
  out.list(tls.challenges, (name) => writeServerName(out, name));
  out.u8(tls.rejectsUnknownNames ? 1 : 0);
  writeTerms(out, tls.terms);
  out.list(tls.alpn, (name) => out.text(name));
  out.u8(tls.sessionTickets ? 1 : 0);
  out.u32(tls.sessionSeconds);
  const { mode, ca, crl, headers } = tls.clientCertificates;
  out.code(CLIENT_CERTIFICATE_MODES, mode);
  out.text(ca);
  out.text(crl);
  out.list(headers, ({ field, name }) => {
    out.code(CERTIFICATE_FIELDS, field);
    out.text(name);
  });
}

function writeClientTls(out: Writer, tls: PlanClientTls): void {
  out.u8(tls.verify ? 1 : 0);
  out.text(tls.ca);
  out.text(tls.crl);
  out.list(tls.certificate === null ? [] : [tls.certificate], (one) => writeCertificate(out, one));
  out.list(tls.fingerprints, (digits) => out.text(digits));
  writeTerms(out, tls.terms);
}

function writePorts(out: Writer, ports: readonly PortRange[]): void {
  out.list(ports, ({ first, last }) => {
    out.u16(first);
    out.u16(last);
  });
}

function writeForward(out: Writer, forward: PlanForward): void {
  out.list(forward.accepts, (accept) => out.code(FORWARD_ACCEPTS, accept));
  out.u8(forward.isTransparent ? 1 : 0);
  out.u32(forward.users ?? NONE);
  out.text(forward.realm);
  out.list(forward.rules, (rule) => writeRule(out, rule));
  writePorts(out, forward.connectPorts);
  writePorts(out, forward.socksPorts);
  out.list(forward.privateDestinations, (cidr) => writeCidr(out, cidr));
  out.code(ANONYMITIES, forward.anonymity);
  out.list(forward.sources, (address) => writeAddress(out, address));
  out.list(forward.page, ({ part, text }) => {
    out.code(PAGE_PARTS, part);
    out.text(text);
  });
  out.u8(forward.pac === null ? 0 : 1);
  out.bytes(forward.pac ?? new Uint8Array(0));
  out.text(forward.viaName);
}

function writeRule(out: Writer, rule: PlanRule): void {
  out.list(rule.clients, (cidr) => writeCidr(out, cidr));
  out.list(rule.users, (name) => out.text(name));
  out.list(rule.hosts, (host) => writeHost(out, host));
  out.list(rule.blocks, (cidr) => writeCidr(out, cidr));
  out.list(rule.lists, (list) => out.u32(list));
  writePorts(out, rule.ports);
  out.list(rule.methods, (method) => out.text(method));
  writePath(out, rule.path);
  out.list(rule.times, ({ days, fromMinute, toMinute }) => {
    out.u8(days);
    out.u16(fromMinute);
    out.u16(toMinute);
  });
}

function writeList(out: Writer, list: PlanList): void {
  out.text(list.name);
  out.text(list.digest);
  out.bytes(list.hosts);
  out.list(list.blocks, (cidr) => writeCidr(out, cidr));
}

function writeUsers(out: Writer, { file, digest, users }: PlanUsers): void {
  out.text(file);
  out.text(digest);
  out.list(users, ({ name, bytesPerSecond, connections, bytesPerDay }) => {
    out.text(name);
    out.u64(bytesPerSecond);
    out.u32(connections);
    out.u64(bytesPerDay);
  });
}
