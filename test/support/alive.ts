// What keeps this process alive: after a suite closed everything, nothing may.
import { eventually } from './deadline.ts';

/** Rejects when timers or sockets are left that would keep the process from ending. */
export async function nothingIsLeft(): Promise<void> {
  const left = () =>
    process.getActiveResourcesInfo().filter((kind) => /Timeout|Socket|Server|UDP/.test(kind));
  await eventually('timers and sockets to be gone', () => left().length === 0).catch(
    (error: Error) => {
      throw new Error(`${error.message}: ${left().length} are left: ${[...new Set(left())]}`);
    },
  );
}
