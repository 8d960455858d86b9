// `sluice check FILE`: everything that is wrong with a configuration, and what is allowed but cannot be meant.
import { loadConfigFile } from '../config/load.ts';
import { configWarnings } from '../config/warnings.ts';

/** Throws SluiceError with all problems. */
export async function check(file: string): Promise<void> {
  const config = await loadConfigFile(file);
  for (const { path, message } of configWarnings(config)) {
    console.error(`warning: ${path}: ${message}`);
  }
  const targets = Object.values(config.pools).reduce((sum, pool) => sum + pool.targets.length, 0);
  const counts = [
    count(Object.keys(config.listeners).length, 'listener'),
    count(Object.keys(config.pools).length, 'pool'),
    count(targets, 'target'),
  ];
  console.log(`${file}: ok: ${counts.join(', ')}`);
}

function count(n: number, thing: string): string {
  return `${n} ${thing}${n === 1 ? '' : 's'}`;
}
