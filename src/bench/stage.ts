// The contestants of the group of cases at hand: all are up all the time, only one has work. Points of a curve are one
// group, so they are measured with the same processes; every other case has its own.
import type { Bench } from './bench.ts';
import { type Case, groupOf, originPort } from './cases.ts';
import { checkAnswers } from './check.ts';
import { wordsOf } from './contestant.ts';
import { coresForWorkers } from './cores.ts';
import { type Running, start } from './running.ts';
import { isTls } from './work.ts';

export class Stage {
  readonly #bench: Bench;
  #group: string | null = null;
  #ready: Running[] = [];
  /** Why contestants of the group take no further part. */
  readonly #absent = new Map<string, string>();

  constructor(bench: Bench) {
    this.#bench = bench;
  }

  get ready(): readonly Running[] {
    return this.#ready;
  }

  get absent(): ReadonlyMap<string, string> {
    return this.#absent;
  }

  /** Starts and checks the contestants of the case, unless they are up already. */
  async enter(item: Case): Promise<void> {
    const group = groupOf(item);
    if (group === this.#group) return;
    await this.close();
    this.#group = group;
    const started = await Promise.all(item.contestants.map((id) => this.#start(item, id)));
    for (const running of started) {
      if (running !== null && (await this.#isRight(item, running))) this.#ready.push(running);
    }
  }

  /** A contestant is out of the rest of the group. */
  async dismiss(running: Running, reason: string): Promise<void> {
    this.#absent.set(running.contestant.id, reason);
    this.#ready = this.#ready.filter((one) => one !== running);
    await running.program?.stop();
  }

  async close(): Promise<void> {
    const leaving = this.#ready;
    this.#ready = [];
    this.#group = null;
    this.#absent.clear();
    await Promise.all(leaving.map((running) => running.program?.stop()));
  }

  async #start(item: Case, id: string): Promise<Running | null> {
    const { contestants, missing, options, tools, origin, cores, certificate } = this.#bench;
    const contestant = contestants.get(id);
    if (!contestant) {
      const reason = missing.get(id);
      if (reason) this.#absent.set(id, reason);
      return null;
    }
    try {
      return await start(contestant, {
        processes: tools.processes,
        cores: coresForWorkers(item.workers, cores, options),
        protocol: item.protocol,
        splice: 'auto',
        workers: item.workers,
        targetPort: origin.ports[originPort(item)],
        ...(isTls(item.work) ? { certificate } : {}),
      });
    } catch (error) {
      this.#absent.set(id, wordsOf(error));
      return null;
    }
  }

  async #isRight(item: Case, running: Running): Promise<boolean> {
    const { tools, origin, progress } = this.#bench;
    progress.doing(`${running.contestant.label}: checking its answers`);
    try {
      const ports = { proxy: running.port, origin: origin.ports[originPort(item)] };
      await checkAnswers(tools, item.work, ports);
      return true;
    } catch (error) {
      await this.dismiss(running, wordsOf(error));
      return false;
    }
  }
}
