// The checks of references.ts within one route.
import { type Path, show } from './problems.ts';
import { asList, asMap, type CheckPool, type Report, type Written } from './raw.ts';

/** Keys that only mean something where a request goes on to a target. */
const NEEDS_POOL = ['hostHeader', 'requestHeaders'] as const;
/** Keys that change the path, which a fixed answer never looks at. */
const NEEDS_PATH = ['stripPrefix', 'addPrefix'] as const;
const WITHOUT_BODY = [204, 205, 304];

export function checkRoute(at: Path, route: Written, checkPool: CheckPool, report: Report): void {
  checkPool([...at, 'pool'], route.pool);
  checkAction(at, route, report);
  const match = asMap(route.match);
  if (match.path !== undefined && match.pathRegex !== undefined) {
    report([...at, 'match'], { expected: 'path or pathRegex', received: 'both' });
  }
  const respond = asMap(route.respond);
  const status = respond.status;
  if (
    WITHOUT_BODY.includes(Number(status)) &&
    typeof respond.body === 'string' &&
    respond.body !== ''
  ) {
    report([...at, 'respond', 'body'], {
      expected: `no body: an answer with status ${status} has none`,
      received: show(respond.body),
    });
  }
  refuseTwins([...at, 'respond', 'headers'], Object.keys(asMap(respond.headers)), report);
  checkEdits([...at, 'requestHeaders'], asMap(route.requestHeaders), report);
  checkEdits([...at, 'responseHeaders'], asMap(route.responseHeaders), report);
}

function checkAction(at: Path, route: Written, report: Report): void {
  const given = ['pool', 'respond', 'redirect'].filter((key) => route[key] !== undefined);
  if (given.length !== 1) {
    report(at, {
      expected: 'exactly one of pool, respond and redirect',
      received: given.length === 0 ? 'none of them' : given.join(' and '),
    });
    return;
  }
  const [action] = given;
  const idle =
    action === 'respond' ? [...NEEDS_PATH, ...NEEDS_POOL] : action === 'redirect' ? NEEDS_POOL : [];
  for (const key of idle) {
    if (route[key] === undefined) continue;
    report([...at, key], {
      expected: `no ${key} beside ${action}`,
      received: show(route[key]),
      hint: 'nothing is forwarded here, so it would have no effect',
    });
  }
}

function checkEdits(at: Path, edits: Written, report: Report): void {
  const set = Object.keys(asMap(edits.set));
  const removed = asList(edits.remove).filter((name) => typeof name === 'string');
  refuseTwins([...at, 'set'], set, report);
  refuseTwins([...at, 'add'], Object.keys(asMap(edits.add)), report);
  const removedLower = new Set<string>();
  removed.forEach((name, i) => {
    if (removedLower.has(name.toLowerCase())) {
      report([...at, 'remove', i], { expected: 'each header once', received: show(name) });
    }
    removedLower.add(name.toLowerCase());
  });
  for (const name of set) {
    if (!removedLower.has(name.toLowerCase())) continue;
    report([...at, 'set', name], {
      expected: 'a header that is not removed as well',
      received: `${name} in set and in remove`,
      hint: 'set replaces what is there: leave it out of remove',
    });
  }
}

/** Header names have no case, so two spellings of one name contradict each other. */
function refuseTwins(at: Path, names: readonly string[], report: Report): void {
  const seen = new Map<string, string>();
  for (const name of names) {
    const first = seen.get(name.toLowerCase());
    if (first === undefined) seen.set(name.toLowerCase(), name);
    else report([...at, name], { expected: 'each header once', received: `${first} and ${name}` });
  }
}
