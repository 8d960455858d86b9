// What held a sample's rate back: the proxy, as it should be, or what measures it.
import type { Sample } from './report.ts';

export interface Use {
  /** From the start of the load to its end. */
  readonly wallSeconds: number;
  readonly proxyCpuSeconds: number;
  /** Cores that the proxy can keep busy at once: its workers, or the cores it may run on if they are fewer. */
  readonly proxyCores: number;
  readonly generatorCpuSeconds: number;
  readonly originCpuSeconds: number;
  /** Busy time of the load's cores, whoever was on them; null when programs are not pinned. */
  readonly loadCoresBusySeconds: number | null;
  readonly loadCores: number;
}

/** From this share of the time on, a thread or a core counts as saturated. */
export const SATURATED = 0.95;

/** Null when nothing was saturated. The proxy comes first: where it is the limit too, the figure is its own. */
export function limitOf(use: Use): Sample['limit'] {
  const { wallSeconds } = use;
  if (!(wallSeconds > 0)) return null;
  const isSaturated = (busySeconds: number, cores: number): boolean =>
    busySeconds >= SATURATED * wallSeconds * Math.max(1, cores);
  if (isSaturated(use.proxyCpuSeconds, use.proxyCores)) return 'proxy';
  // Generator and origin have one thread each.
  if (isSaturated(use.generatorCpuSeconds, 1)) return 'generator';
  if (isSaturated(use.originCpuSeconds, 1)) return 'origin';
  const { loadCoresBusySeconds, generatorCpuSeconds, originCpuSeconds } = use;
  if (loadCoresBusySeconds === null) return null;
  const busy = Math.max(loadCoresBusySeconds, generatorCpuSeconds + originCpuSeconds);
  return isSaturated(busy, use.loadCores) ? 'load core' : null;
}
