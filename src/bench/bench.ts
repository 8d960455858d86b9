// What everything that measures needs to know of its run.
import type { Contestant } from './contestant.ts';
import type { LoadTools } from './load.ts';
import type { RunOptions } from './options.ts';
import type { Origin } from './origin.ts';
import type { Pace } from './pace.ts';
import type { Progress } from './progress.ts';

export interface Bench {
  readonly options: RunOptions;
  readonly pace: Pace;
  readonly tools: LoadTools;
  readonly origin: Origin;
  readonly isPinned: boolean;
  /** Of the machine. */
  readonly cores: number;
  /** Contestants that were asked to take part and are installed; the reasons of those that are not. */
  readonly contestants: ReadonlyMap<string, Contestant>;
  readonly missing: ReadonlyMap<string, string>;
  /** Of the cases over TLS. */
  readonly certificate: string;
  readonly progress: Progress;
}
