// Load for fault scenarios: clients that ask one thing after another and know what the right answer is.
import { createHash } from 'node:crypto';
import type { HttpClient } from '../support/http-client.ts';
import { openHttp, requestBytes } from '../support/http-client.ts';
import {
  type HttpTarget,
  type HttpTargetOptions,
  ok,
  startHttpTarget,
} from '../support/http-target.ts';

export interface LoadResult {
  /** Whole and right. */
  right: number;
  /** Whole, 200 and not what was asked for: must never happen. */
  wrong: number;
  /** Broken off in a way that the client could see. */
  cut: number;
  /** Other statuses, by number. */
  readonly statuses: Record<number, number>;
}

/** The body that a path stands for: `/<length>/<anything>`. */
export function bodyOf(path: string): Buffer {
  const length = Number(path.split('/')[1]);
  const pattern = createHash('sha256').update(path).digest();
  return Buffer.alloc(length, pattern);
}

/** A target that answers every path with the body that it stands for. */
export function startPatternTarget(options: HttpTargetOptions = {}): Promise<HttpTarget> {
  return startHttpTarget({ answer: (r) => ok(bodyOf(r.target)), ...options });
}

/** Keeps `clients` connections busy with GETs of about `bytes` until `isOver`, reconnecting as needed. */
export async function load(
  port: number,
  clients: number,
  isOver: () => boolean,
  nextLength: () => number,
): Promise<LoadResult> {
  const result: LoadResult = { right: 0, wrong: 0, cut: 0, statuses: {} };
  let serial = 0;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      let client: HttpClient | undefined;
      while (!isOver()) {
        client ??= await openHttp(port);
        const isWhole = await ask(client, `/${nextLength()}/${serial++}`, result);
        if (isWhole && !client.connection.hasEnded) continue;
        client.close();
        client = undefined;
      }
      client?.close();
    }),
  );
  return result;
}

async function ask(client: HttpClient, path: string, result: LoadResult): Promise<boolean> {
  client.send(requestBytes('GET', path));
  try {
    const answer = await client.response('GET', 10_000);
    if (answer.status !== 200)
      result.statuses[answer.status] = (result.statuses[answer.status] ?? 0) + 1;
    else if (answer.body.equals(bodyOf(path))) result.right++;
    else result.wrong++;
    return true;
  } catch {
    result.cut++;
    return false;
  }
}
