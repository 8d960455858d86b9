// What the generators reach against a mirror of their own: a rate near it is the generator's, not the proxy's.
import type { Case } from './cases.ts';
import { wordsOf } from './contestant.ts';
import { type GeneratorName, generator, lastJson } from './load.ts';
import { formatGrouped } from './numbers.ts';
import type { RunOptions } from './options.ts';
import type { Processes } from './processes.ts';
import type { Work } from './work.ts';

interface SelfTest {
  readonly kinds: readonly Work['kind'][];
  readonly generator: GeneratorName;
  readonly parameters: readonly string[];
  readonly unit: string;
  readonly scale: number;
}

const SELF_TESTS: readonly SelfTest[] = [
  { kinds: ['http'], generator: 'load-http', parameters: [], unit: 'requests/s', scale: 1 },
  {
    kinds: ['tcp-echo'],
    generator: 'load-tcp',
    parameters: ['--mode', 'pingpong'],
    unit: 'messages/s',
    scale: 1,
  },
  {
    kinds: ['tcp-bulk'],
    generator: 'load-tcp',
    parameters: ['--mode', 'pull'],
    unit: 'GB/s',
    scale: 1e-9,
  },
  { kinds: ['udp-echo'], generator: 'load-udp', parameters: [], unit: 'datagrams/s', scale: 1 },
];
const LENGTH = ['--seconds', '0.2', '--warmup', '0.05'];

/** One sentence about those that the cases use. */
export async function ceilings(
  processes: Processes,
  { loadCores, proxyCores }: RunOptions,
  cases: readonly Case[],
): Promise<string | null> {
  const found: string[] = [];
  for (const { kinds, generator: name, parameters, unit, scale } of SELF_TESTS) {
    if (!cases.some(({ work }) => kinds.includes(work.kind))) continue;
    const mirror = ['--mirror-core', String(proxyCores[0] ?? 0)];
    try {
      const command = [generator(name), '--self-test', ...mirror, ...LENGTH, ...parameters];
      const output = await processes.run(name, loadCores, command);
      const { ceiling } = lastJson<{ readonly ceiling: number }>(output);
      found.push(`${formatGrouped(ceiling * scale)} ${unit}`);
    } catch (error) {
      found.push(`${unit}: ${wordsOf(error)}`);
    }
  }
  if (found.length === 0) return null;
  return `the generators by themselves, with a core of their own, would reach ${found.join(', ')}`;
}
