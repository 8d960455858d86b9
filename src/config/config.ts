// The configuration in its two forms: ConfigInput is what a person writes, Config what the rest of the program
// reads: validated, every default filled in, durations in milliseconds, sizes in bytes, deeply frozen.
import type { z } from 'zod';
import type { configSchema } from './schema.ts';

type Schema = ReturnType<typeof configSchema>;

export type ConfigInput = z.input<Schema>;
export type Config = DeepReadonly<z.output<Schema>>;

export type ListenerConfig = Config['listeners'][string];
/** An http or https listener. */
export type HttpListenerConfig = Extract<
  ListenerConfig,
  { readonly protocol: 'http' } | { readonly protocol: 'https' }
>;
export type TcpListenerConfig = Extract<ListenerConfig, { readonly protocol: 'tcp' }>;
export type UdpListenerConfig = Extract<ListenerConfig, { readonly protocol: 'udp' }>;
export type ForwardListenerConfig = Extract<ListenerConfig, { readonly protocol: 'forward' }>;
export type RuleConfig = ForwardListenerConfig['rules'][number];
export type ResolverConfig = Config['resolver'];
export type RouteConfig = NonNullable<HttpListenerConfig['routes']>[number];
export type ServerTlsConfig = Extract<ListenerConfig, { readonly protocol: 'https' }>['tls'];
export type ClientTlsConfig = NonNullable<Config['pools'][string]['tls']>;
export type AcmeConfig = NonNullable<Config['acme']>;
export type PoolConfig = Config['pools'][string];
export type TargetConfig = PoolConfig['targets'][number];

export function isHttpListener(listener: ListenerConfig): listener is HttpListenerConfig {
  return listener.protocol === 'http' || listener.protocol === 'https';
}

/** What a listener ends TLS with; null when it does not. */
export function serverTlsOf(listener: ListenerConfig): ServerTlsConfig | null {
  return listener.protocol === 'http' || listener.protocol === 'udp' ? null : listener.tls;
}

export type DeepReadonly<T> = T extends ArrayBufferView
  ? T
  : T extends readonly (infer Item)[]
    ? readonly DeepReadonly<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
      : T;

/** Gives a configuration written in TypeScript its types. It is checked when it is used, not here. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config;
}

/** Freezes all but typed arrays, whose elements JavaScript cannot freeze. */
export function deepFreeze<T>(value: T): DeepReadonly<T> {
  if (
    typeof value === 'object' &&
    value !== null &&
    !ArrayBuffer.isView(value) &&
    !Object.isFrozen(value)
  ) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value as DeepReadonly<T>;
}
