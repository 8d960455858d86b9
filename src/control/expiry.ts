// Warns of certificates that are about to expire, and of those that have, once a day each.
import type { ListedCertificate } from '../plan/listed-certificates.ts';
import { formatDay } from './file-report.ts';

const DAY_MS = 86_400_000;
const WARN_BEFORE_MS = 14 * DAY_MS;
const LOOK_EVERY_MS = 3_600_000;

/** One sentence for each listener and certificate that has less than 14 days, or none left. */
export function expiryWarnings(
  certificates: readonly ListedCertificate[],
  nowMs: number,
): readonly { readonly key: string; readonly message: string }[] {
  return certificates.flatMap(({ listener, name, hosts, notAfterMs }) => {
    if (notAfterMs - nowMs >= WARN_BEFORE_MS) return [];
    const names = hosts.length === 0 ? '' : ` for ${hosts.join(', ')}`;
    const day = formatDay(notAfterMs, nowMs);
    const state = notAfterMs > nowMs ? `expires on ${day}` : `expired on ${day}: clients refuse it`;
    return [
      {
        key: `${listener} ${name} ${notAfterMs}`,
        message: `listener ${listener}: the certificate ${name}${names} ${state}`,
      },
    ];
  });
}

export interface ExpiryWatchOptions {
  /** Those in force. */
  readonly certificates: () => readonly ListedCertificate[];
  readonly onWarning: (message: string) => void;
  readonly clock?: () => number;
}

export interface ExpiryWatch {
  /** Looks now: certificates have changed. */
  look(): void;
  close(): void;
}

/** Looks at once and then every hour; does not keep the process alive. */
export function watchExpiry(options: ExpiryWatchOptions): ExpiryWatch {
  const { certificates, onWarning, clock = Date.now } = options;
  let told = new Map<string, number>();
  const look = (): void => {
    const nowMs = clock();
    const now = new Map<string, number>();
    for (const { key, message } of expiryWarnings(certificates(), nowMs)) {
      const last = told.get(key);
      const isDue = last === undefined || nowMs - last >= DAY_MS;
      if (isDue) onWarning(message);
      now.set(key, isDue ? nowMs : last);
    }
    told = now;
  };
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  look();
  return { look, close: () => clearInterval(timer) };
}
