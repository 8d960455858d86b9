// The entry point of a process that hosts one engine for a test: it does what its parent says over IPC and says what
// it has counted. It opens no file for that: it may have no descriptor left.
import { createJsEngine } from '../../src/engine/js/engine.ts';
import { createNativeEngine } from '../../src/engine/native/native-engine.ts';
import type { ChildCounts, ChildOrder, ChildReport } from './engine-process.ts';
import { type CreateEngine, RunningEngine } from './running-engine.ts';

const ENGINES: Readonly<Record<string, CreateEngine>> = {
  js: createJsEngine,
  native: (options) => createNativeEngine(options),
  'native-epoll': (options) => createNativeEngine({ ...options, loop: 'epoll' }),
};

let running: RunningEngine | undefined;

async function obey(order: ChildOrder): Promise<ChildReport> {
  switch (order.kind) {
    case 'apply': {
      const create = ENGINES[order.engine];
      if (!create) throw new Error(`no engine ${order.engine}`);
      running ??= new RunningEngine(create, { workers: order.workers });
      await running.apply(order.config);
      const { listeners } = running.plan;
      return { ports: Object.fromEntries(listeners.map((l) => [l.name, running!.port(l.name)])) };
    }
    case 'facts':
      return { counts: counts() };
    case 'close':
      await running?.close(order.graceMs);
      running = undefined;
      return {};
  }
}

function counts(): ChildCounts {
  globalThis.gc?.();
  const stats = running?.stats();
  const listeners = running?.plan.listeners ?? [];
  return {
    cpuMs: (process.cpuUsage().user + process.cpuUsage().system) / 1000,
    inFlight: running?.inFlight ?? 0,
    warnings: running?.warnings ?? [],
    listeners: Object.fromEntries(
      listeners.map(({ name }) => {
        const { histogram: _histogram, ...counters } = stats!.listener(name);
        return [name, counters];
      }),
    ),
  };
}

process.on('message', (message) => {
  const { id, order } = message as { id: number; order: ChildOrder };
  obey(order).then(
    (report) => process.send?.({ id, report }),
    (error: Error) => process.send?.({ id, error: error.message }),
  );
});

process.on('disconnect', () => process.exit(0));
