// Digests of what files held, by which plans tell whether it is the same.
import { createHash } from 'node:crypto';

/** Short, and different whenever any of `parts` is. */
export function digestOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('base64url').slice(0, 22);
}
