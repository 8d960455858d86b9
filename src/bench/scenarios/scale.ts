// How the cost of a request grows: with worker threads, with connections, with the size of the body.
import { type Case, type Extent, KIB, MIB, plainCase, REQUEST, SMALL_BYTES } from '../cases.ts';
import { formatBytes } from '../numbers.ts';
import type { Series } from '../report.ts';
import { CLOSED } from '../work.ts';

const scale = {
  scenario: 'scale',
  protocol: 'http',
  unit: REQUEST,
  contestants: ['native', 'nginx'],
} as const;

export function scaleCases(extent: Extent): readonly Case[] {
  return [...workers(extent), ...connections(extent), ...bodies(extent)];
}

function workers({ isQuick, cores }: Extent): readonly Case[] {
  const series = curve(
    'workers',
    'Cost of a small HTTP/1.1 request over worker threads',
    'workers',
  );
  return doublings(1, cores, isQuick ? 4 : 2).map((count) =>
    plainCase({
      ...scale,
      id: `scale/workers-${count}`,
      title: `HTTP/1.1 keep-alive, 256 clients, 100 B body, ${count === 1 ? '1 worker' : `${count} workers`}`,
      work: { kind: 'http', bodyBytes: SMALL_BYTES, connections: 256, arrival: CLOSED },
      workers: count,
      series: { ...series, value: count, isLogarithmic: false },
    }),
  );
}

function connections({ isQuick }: Extent): readonly Case[] {
  const counts = isQuick ? [16, 1_024, 10_000] : [16, 64, 256, 1_024, 4_096, 10_000];
  const title = 'Cost of a small HTTP/1.1 request over connections, their opening included';
  return counts.map((count) =>
    plainCase({
      ...scale,
      id: `scale/connections-${count}`,
      title: `HTTP/1.1 keep-alive, ${count} clients, 100 B body`,
      work: { kind: 'http', bodyBytes: SMALL_BYTES, connections: count, arrival: CLOSED },
      series: { ...curve('connections', title, 'connections'), value: count },
    }),
  );
}

function bodies({ isQuick }: Extent): readonly Case[] {
  const sizes = isQuick
    ? [SMALL_BYTES, 64 * KIB, 4 * MIB]
    : [SMALL_BYTES, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB];
  return sizes.map((size) =>
    plainCase({
      ...scale,
      id: `scale/body-${size}`,
      title: `HTTP/1.1 keep-alive, 16 clients, body of ${formatBytes(size)}`,
      work: { kind: 'http', bodyBytes: size, connections: 16, arrival: CLOSED },
      series: {
        ...curve('body', 'Cost of an HTTP/1.1 request over the size of its body', 'bytes of body'),
        value: size,
      },
    }),
  );
}

function curve(name: string, title: string, axis: string): Omit<Series, 'value'> {
  return { name, title, axis, show: 'cost', isLogarithmic: true };
}

/** From `first` by `factor` to `last`, which is always among them. */
function doublings(first: number, last: number, factor: number): readonly number[] {
  const values: number[] = [];
  for (let value = first; value < last; value *= factor) values.push(value);
  return [...values, last];
}
