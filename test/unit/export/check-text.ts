// Holds the text of an export, and its warnings, to what is wanted of it.
import assert from 'node:assert/strict';
import type { ExportSettings } from '../../../src/export/exported.ts';
import { exportFor, type ProgramName } from './programs.ts';
import type { Wanted } from './settings.ts';

export function checkText(
  program: ProgramName,
  config: object,
  settings: Partial<ExportSettings>,
  wanted: Wanted,
): void {
  const { text, warnings } = exportFor(program, config, settings);
  const lines = text.split('\n').map((line) => line.trim());
  let from = 0;
  for (const line of wanted.lines ?? []) {
    const at = lines.findIndex(
      (one, i) => i >= from && (typeof line === 'string' ? one === line : line.test(one)),
    );
    assert.ok(at >= 0, `no line ${line} in, or not in this order:\n${text}`);
    from = at + 1;
  }
  for (const pattern of wanted.without ?? []) {
    assert.equal(
      lines.find((line) => pattern.test(line)),
      undefined,
      `${pattern}`,
    );
  }
  const begins = wanted.warnings ?? [];
  assert.deepEqual(
    warnings.map((warning, i) => warning.slice(0, begins[i]?.length)),
    begins,
  );
  for (const warning of warnings)
    assert.ok(lines.includes(`# ${warning}`), `as a comment: ${warning}`);
}
