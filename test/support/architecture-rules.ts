// What ARCHITECTURE.md says, as data: which folder stands on which floor, which imports stop at which wall, and the
// exceptions with their reasons.
import type { Exception, Storey, Wall } from './architecture.ts';

export const TS_STOREYS: readonly Storey[] = [
  { at: 'src/contract', floor: 0 },
  { at: 'src/balance', floor: 1 },
  { at: 'src/config', floor: 2 },
  { at: 'src/plan', floor: 3 },
  { at: 'src/engine/engine.ts', floor: 4 },
  { at: 'src/engine/shared', floor: 4.05 },
  { at: 'src/engine/js', floor: 4.1 },
  { at: 'src/engine/uws', floor: 4.1 },
  { at: 'src/engine/native', floor: 4.1 },
  { at: 'src/engine/select.ts', floor: 4.2 },
  { at: 'src/control', floor: 5 },
  { at: 'src/observe', floor: 5 },
  { at: 'src/export', floor: 5 },
  { at: 'src/proxy.ts', floor: 6 },
  { at: 'src/bench', floor: 6.5 },
  { at: 'src/cli', floor: 7 },
  { at: 'src/index.ts', floor: 7 },
];

export const CPP_STOREYS: readonly Storey[] = [
  { at: 'native/generated', floor: 0 },
  { at: 'native/base', floor: 0 },
  { at: 'native/plan', floor: 1 },
  { at: 'native/net', floor: 1 },
  { at: 'native/http', floor: 2 },
  { at: 'native/balance', floor: 2 },
  { at: 'native/policy', floor: 2 },
  { at: 'native/socks', floor: 2 },
  { at: 'native/tls', floor: 2 },
  { at: 'native/upstream', floor: 3 },
  { at: 'native/relay', floor: 4 },
  { at: 'native/worker', floor: 5 },
  { at: 'native/addon', floor: 6 },
  { at: 'native/micro', floor: 7 },
  { at: 'native/test', floor: 7 },
  { at: 'native/fuzz', floor: 7 },
];

/** Errors are values made of the generated codes. */
export const CPP_PASSAGES = ['native/base -> native/generated'];

export const TS_WALLS: readonly Wall[] = [
  {
    rule: 'an engine sees a plan and nothing else: engine/ never imports config/',
    of: /^src\/engine\//,
    imports: /^src\/config\//,
  },
  {
    rule: 'an engine sees a plan, not how it is made',
    of: /^src\/engine\//,
    imports:
      /^src\/plan\/(?!(?:plan|match|encode|decide|destination-host|address-class|address-set|page)\.ts)/,
  },
  {
    rule: 'the engines are made in src/engine/select.ts and know nothing of each other',
    imports: /^src\/engine\/(js|uws|native)\//,
    only: /^src\/engine\/(select\.ts|js\/|uws\/|native\/)/,
  },
  {
    rule: "the addon's boundary is known in src/engine/native only",
    imports: /addon\.d\.ts$/,
    only: /^src\/engine\/native\//,
  },
  {
    rule: 'uWebSockets.js is imported in src/engine/uws only',
    imports: /^uWebSockets\.js/i,
    only: /^src\/engine\/uws\//,
  },
  {
    rule: 'acme-client is known in src/control/acme-directory.ts only, which replaces a part of it',
    imports: /^acme-client/,
    only: /^src\/control\/acme-directory\.ts/,
  },
  {
    rule: 'contract/, balance/ and plan/ import nothing from outside',
    of: /^src\/(contract|balance|plan)\//,
    imports: /^(?!src\/)/,
  },
];

export const CPP_WALLS: readonly Wall[] = [
  {
    rule: "Node's headers are included in native/addon only",
    imports: /^(napi|napi-inl|node_api|js_native_api|node|v8|uv)\.h$/,
    only: /^native\/addon\//,
  },
  {
    rule: 'errno is read in native/net only',
    imports: /^(cerrno|errno\.h)$/,
    only: /^native\/net\//,
  },
  {
    rule: "the kernel's sockets and readiness are known in native/net only",
    imports:
      /^(sys\/(socket|un|epoll|eventfd|ioctl)|netinet\/.*|arpa\/.*|linux\/.*|poll|netdb)\.h$/,
    only: /^native\/(net|test)\//,
  },
];

export const LOAD_WALLS: readonly Wall[] = [
  {
    rule: 'native/load includes nothing of the house: rivals are measured with it',
    of: /^native\/load\//,
    imports: /^native\/(generated|base|plan|net|http|balance|tls|upstream|relay|worker|addon)\//,
  },
  {
    rule: 'the house includes nothing of native/load',
    of: /^native\/(?!load\/)/,
    imports: /^native\/load\//,
  },
];

export const READS_ERRNO = /\berrno\b/;
export const ALLOCATES =
  /\bnew\b|\b(?:malloc|calloc|realloc|strdup)\b|\bstd::(?:string|to_string|vector|map|unordered_map|deque|list|function|make_unique|make_shared)\b(?!_)/;
export const BYTE_PATH = /^native\/(http|balance|policy|socks|relay)\//;

export const ALLOCATION_EXCEPTIONS: readonly Exception[] = [
  {
    file: 'native/relay/udp_relay.cc',
    found: 'new',
    times: 1,
    reason: 'UdpRelay::open(): once for each listener and worker, when a plan opens it',
  },
  {
    file: 'native/relay/udp_session_table.h',
    found: 'new',
    times: 1,
    reason: 'grow(): the table doubles while it warms up, and is bounded by maxSessions',
  },
];

export const WALL_EXCEPTIONS: readonly Exception[] = [
  {
    file: 'native/relay/udp_relay.cc',
    found: 'sys/epoll.h',
    times: 1,
    reason: 'names the events it watches: UDP sockets are sources of the loop, not streams',
  },
  {
    file: 'native/tls/client_context.cc',
    found: 'arpa/inet.h',
    times: 1,
    reason: 'inet_pton(): whether a name is an address, which no certificate is asked for by SNI',
  },
  {
    file: 'native/tls/peer_certificate.cc',
    found: 'arpa/inet.h',
    times: 1,
    reason: 'inet_ntop(): the addresses among the names of a certificate as text',
  },
];

export const BARREL_EXCEPTIONS: readonly Exception[] = [
  {
    file: 'src/control/x509.ts',
    found: 'export { x509 }',
    times: 1,
    reason: 'the library fails to load unless reflect-metadata was loaded first',
  },
  {
    file: 'src/plan/match.ts',
    found: "export … from '../config/host.ts'",
    times: 1,
    reason: 'one normal form for what is configured and what arrives; engines get it here',
  },
  {
    file: 'src/plan/match.ts',
    found: "export … from '../config/path.ts'",
    times: 1,
    reason: 'one normal form for what is configured and what arrives; engines get it here',
  },
];

export const NAMELESS_EXCEPTIONS: readonly Exception[] = [
  {
    file: 'examples/embedded/config.ts',
    found: 'export default',
    times: 1,
    reason: 'a configuration module is its default export: loadConfigFile() asks for it',
  },
  {
    file: 'scripts/last-words.mjs',
    found: 'export default',
    times: 1,
    reason: 'a reporter is its default export: node --test-reporter asks for it',
  },
];
