// `sluice bench …`: hands over to src/bench, which is loaded only then, so that `sluice run` never carries it.
// Its arguments are its own: src/bench/options.ts reads them.

/** Resolves with the run, or the command, over; sets the exit code. */
export async function bench(parameters: readonly string[]): Promise<void> {
  const { runBenchCommand } = await import('../bench/command.ts');
  process.exitCode = await runBenchCommand(parameters);
}
