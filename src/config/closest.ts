// Did-you-mean.
import { distance } from 'fastest-levenshtein';

/** The known word that was most likely meant, or null when none is near. */
export function closest(written: string, known: Iterable<string>): string | null {
  const wanted = simplify(written);
  let best: string | null = null;
  const farthest = wanted.length <= 3 ? 1 : Math.max(2, Math.floor(wanted.length / 3));
  let bestDistance = farthest + 1;
  for (const word of known) {
    const candidate = simplify(word);
    const apart = hasSameLetters(wanted, candidate) ? 1 : distance(wanted, candidate);
    if (apart < bestDistance) {
      best = word;
      bestDistance = apart;
    }
  }
  return best;
}

/** `max_connections`, `max-connections` and `MaxConnections` are all maxConnections. */
function simplify(word: string): string {
  return word.toLowerCase().replace(/[-_\s]/g, '');
}

/** Letters that changed places are one slip, not two. */
function hasSameLetters(a: string, b: string): boolean {
  return a.length === b.length && [...a].sort().join('') === [...b].sort().join('');
}
