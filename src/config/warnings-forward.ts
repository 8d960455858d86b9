// What forward proxies are allowed to be and yet cannot be meant to be.
import type { Config, ForwardListenerConfig, RuleConfig } from './config.ts';
import type { ConfigWarning } from './warnings.ts';

/** More ports than anybody means one by one. */
const MANY_PORTS = 10_000;

export function forwardWarnings(name: string, listener: ForwardListenerConfig): ConfigWarning[] {
  const at = `listeners.${name}`;
  const warnings: ConfigWarning[] = [];
  const widest = Math.max(0, ...listener.connectPorts.map(({ first, last }) => last - first + 1));
  if (listener.users === null && !isLoopback(listener) && widest >= MANY_PORTS) {
    const message =
      'lets everybody who reaches the proxy connect to nearly every port, that of mail (25) too, without saying who they are: add users, or name the ports';
    warnings.push({ path: `${at}.connectPorts`, message });
  }
  if (listener.privateDestinations.some(({ bits }) => bits === 0)) {
    const message =
      'permits every address: those of this machine, of its network and of cloud metadata';
    warnings.push({ path: `${at}.privateDestinations`, message });
  }
  const everything = listener.rules.findIndex(isForEverything);
  listener.rules.slice(everything + 1).forEach((_rule, i) => {
    if (everything < 0) return;
    const message = `never matches: rules[${everything}], which comes first, matches everything`;
    warnings.push({ path: `${at}.rules[${everything + 1 + i}]`, message });
  });
  return warnings;
}

function isLoopback({ address }: ForwardListenerConfig): boolean {
  if (address.kind === 'name') return false;
  const { family, host } = address.socket;
  return family === 'unix' || host === '::1' || host.startsWith('127.');
}

function isForEverything({ match }: RuleConfig): boolean {
  return Object.values(match).every((condition) => condition === null);
}

export function unusedLists({ listeners, lists }: Config): ConfigWarning[] {
  const used = new Set(
    Object.values(listeners).flatMap((listener) =>
      listener.protocol === 'forward'
        ? listener.rules.flatMap(({ match }) => match.lists ?? [])
        : [],
    ),
  );
  return Object.keys(lists)
    .filter((name) => !used.has(name))
    .map((name) => ({ path: `lists.${name}`, message: 'no rule uses this list' }));
}
