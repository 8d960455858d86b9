// Sluice inside a Node program. Stands alone but for the two HTTP targets, which `npm run example embedded` starts.
// In a program of your own, import from 'sluice'.

import { createProxy } from '../../src/index.ts';
import { config } from './config.ts';

const proxy = await createProxy(config);

proxy.on('targetEjected', ({ pool, target }) => console.log(`${target} of ${pool} is set aside`));
proxy.on('targetRestored', ({ pool, target }) => console.log(`${target} of ${pool} is back`));
proxy.on('warning', (message) => console.warn(message));

await proxy.start();
console.log(`Listening on http://${proxy.addresses.web}. Ctrl-C stops.`);

let lastCount = 0;
const report = setInterval(() => {
  const { counters, latency } = proxy.stats().listeners.web ?? {};
  if (!counters || counters.requests === lastCount) return;
  lastCount = counters.requests;
  console.log(`${counters.requests} requests, p99 ${latency?.p99.toFixed(2)} ms`);
}, 1000);

async function stop(): Promise<void> {
  clearInterval(report);
  await proxy.close({ graceMs: 5000 });
}
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
