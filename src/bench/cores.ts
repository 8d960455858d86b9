// Lists of cores, as taskset writes them.

/** `1`, `0,2` or `2-5`. Throws an Error that names the option. */
export function parseCores(
  name: string,
  written: string | undefined,
  fallback: number,
  available: number,
): readonly number[] {
  if (written === undefined) return [fallback];
  const cores = new Set<number>();
  for (const part of written.split(',')) {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
    if (first === undefined || Number(last) < Number(first)) {
      throw new Error(`${name} takes cores such as 1 or 0,2 or 2-5, not '${written}'`);
    }
    if (Number(last) >= available) {
      throw new Error(`${name} names core ${last}: there are ${available}, from 0`);
    }
    for (let core = Number(first); core <= Number(last); core++) cores.add(core);
  }
  return [...cores].sort((a, b) => a - b);
}

/** As many cores as there are workers: the proxies' own first, then the others, the load's last. */
export function coresForWorkers(
  workers: number,
  all: number,
  { proxyCores, loadCores }: { proxyCores: readonly number[]; loadCores: readonly number[] },
): readonly number[] {
  const others = Array.from({ length: all }, (_, core) => core).filter(
    (core) => !proxyCores.includes(core) && !loadCores.includes(core),
  );
  const order = [...new Set([...proxyCores, ...others, ...loadCores])];
  return workers === 1 ? proxyCores : order.slice(0, Math.max(workers, proxyCores.length));
}

export function sharesCores(some: readonly number[], others: readonly number[]): boolean {
  return some.some((core) => others.includes(core));
}
