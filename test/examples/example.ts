// An example as it stands in examples/, but for its ports: listeners and targets get free ones, so that tests run
// beside each other and beside a demonstration.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { DEMO_PORTS, type DemoTargets, startDemoTargets } from '../../src/cli/demo-targets.ts';
import { loadAddon } from '../../src/engine/native/load.ts';
import { createProxy, type ProxyOptions, type SluiceProxy } from '../../src/index.ts';

/** The native engine is left out where it is not built. */
export const ENGINES =
  loadAddon().addon === undefined ? (['js'] as const) : (['js', 'native'] as const);

export interface RunningExample {
  readonly proxy: SluiceProxy;
  readonly targets: DemoTargets;
  /** `127.0.0.1:port` of a listener. */
  at(listener: string): string;
  close(): Promise<void>;
}

export function startFreeTargets(): Promise<DemoTargets> {
  return startDemoTargets({ one: 0, two: 0, echo: 0, streamA: 0, streamB: 0 });
}

/** `127.0.0.1:5001` of the text becomes the address of the target that stands for it. */
export function withFreePorts(text: string, targets: DemoTargets): string {
  const names = Object.entries(DEMO_PORTS) as [keyof typeof DEMO_PORTS, number][];
  return text.replace(/127\.0\.0\.1:(\d+)/g, (_, port: string) => {
    const name = names.find(([, fixed]) => fixed === Number(port))?.[0];
    return `127.0.0.1:${name === undefined ? 0 : targets.ports[name]}`;
  });
}

export async function startExample(name: string, options: ProxyOptions): Promise<RunningExample> {
  const targets = await startFreeTargets();
  const url = new URL(`../../examples/${name}/sluice.yaml`, import.meta.url);
  const config = parse(withFreePorts(readFileSync(url, 'utf8'), targets));
  const proxy = await createProxy(config, options);
  await proxy.start();
  return {
    proxy,
    targets,
    at: (listener) => proxy.addresses[listener] ?? '',
    close: async () => {
      await proxy.close({ graceMs: 0 });
      await targets.close();
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** What a demonstration target answered. */
  readonly seen: {
    readonly target: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
  };
}

export async function get(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...init });
  const text = await response.text();
  const seen = text.startsWith('{') ? JSON.parse(text) : { target: '', path: '', headers: {} };
  return { status: response.status, headers: response.headers, text, seen };
}

/** Which target answered each of `count` requests, one after the other. */
export async function targetsOf(url: string, count: number): Promise<string[]> {
  const names: string[] = [];
  for (let i = 0; i < count; i++) names.push((await get(url)).seen.target);
  return names;
}
