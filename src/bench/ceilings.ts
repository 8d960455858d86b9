// What the generators reach against a mirror of their own: a rate near it is the generator's, not the proxy's.
import type { Case } from './cases.ts';
import { wordsOf } from './contestant.ts';
import { type GeneratorName, generator, lastJson, NOT_REUSED, TLS_PARAMETERS } from './load.ts';
import { formatGrouped } from './numbers.ts';
import type { RunOptions } from './options.ts';
import type { Processes } from './processes.ts';
import { isForward, isPlain, type TlsWay, type Work } from './work.ts';

interface SelfTest {
  readonly does: (work: Work) => boolean;
  readonly generator: GeneratorName;
  readonly parameters: readonly string[];
  readonly unit: string;
  readonly scale: number;
}

const SELF_TESTS: readonly SelfTest[] = [
  {
    does: isPlain,
    generator: 'load-http',
    parameters: [],
    unit: 'requests/s',
    scale: 1,
  },
  {
    does: (work) => work.kind === 'http' && work.isReused === false,
    generator: 'load-http',
    parameters: NOT_REUSED,
    unit: 'requests/s on a connection each',
    scale: 1,
  },
  secure('kept', 'requests/s over TLS'),
  secure('full', 'full handshakes/s'),
  secure('resumed', 'resumed handshakes/s'),
  {
    does: ({ kind }) => kind === 'tcp-echo',
    generator: 'load-tcp',
    parameters: ['--mode', 'pingpong'],
    unit: 'messages/s',
    scale: 1,
  },
  {
    does: (work) => work.kind === 'tcp-bulk' && !isForward(work),
    generator: 'load-tcp',
    parameters: ['--mode', 'pull'],
    unit: 'GB/s',
    scale: 1e-9,
  },
  forward('load-http', [], ({ kind }) => kind === 'http', 'requests/s in absolute form'),
  forward('load-tcp', ['--mode', 'connect'], ({ kind }) => kind === 'tunnels', 'tunnels/s'),
  {
    ...forward(
      'load-tcp',
      ['--mode', 'pull'],
      ({ kind }) => kind === 'tcp-bulk',
      'GB/s in tunnels',
    ),
    scale: 1e-9,
  },
  {
    does: ({ kind }) => kind === 'udp-echo',
    generator: 'load-udp',
    parameters: [],
    unit: 'datagrams/s',
    scale: 1,
  },
];

function secure(way: TlsWay, unit: string): SelfTest {
  return {
    does: (work) => work.kind === 'http' && work.tls === way,
    generator: 'load-http',
    parameters: TLS_PARAMETERS[way],
    unit,
    scale: 1,
  };
}

/** The mirror is proxy and origin in one: any name of the origin will do. */
function forward(
  name: GeneratorName,
  parameters: readonly string[],
  does: (work: Work) => boolean,
  unit: string,
): SelfTest {
  return {
    does: (work) => isForward(work) && does(work),
    generator: name,
    parameters: ['--origin', '127.0.0.1:1', ...parameters],
    unit,
    scale: 1,
  };
}

const LENGTH = ['--seconds', '0.2', '--warmup', '0.05'];

/** One sentence about those that the cases use. */
export async function ceilings(
  processes: Processes,
  { loadCores, proxyCores }: RunOptions,
  cases: readonly Case[],
): Promise<string | null> {
  const found: string[] = [];
  for (const { does, generator: name, parameters, unit, scale } of SELF_TESTS) {
    if (!cases.some(({ work }) => does(work))) continue;
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
