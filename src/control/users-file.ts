// A file of users: one `name:hash` a line, comments and empty lines between them. Everything wrong with it is found at
// once; a hash or what stands in its place is never shown.
import { isUserName } from '../config/schema-forward.ts';
import { digestOf } from './digest.ts';
import type { FileReport } from './file-report.ts';
import { readInputFile } from './input-file.ts';
import { formatPasswordHash, type PasswordHash, parsePasswordHash } from './password-hash.ts';

export interface UsersFile {
  readonly digest: string;
  readonly users: ReadonlyMap<string, PasswordHash>;
}

/** What is wrong with a line. */
export interface LineProblem {
  readonly line: number;
  readonly expected: string;
  readonly received: string;
  readonly hint?: string;
}

const LINE = 'name:hash';
const MAX_BYTES = 64 * 1024 * 1024;
/** The rest of a file that is none at all is not worth telling. */
const MAX_TOLD = 20;

/** `path` names the option that names the file. null when it cannot be used, which is in the report then. */
export async function readUsersFile(
  path: string,
  file: string,
  report: FileReport,
): Promise<UsersFile | null> {
  const read = await readInputFile(file, MAX_BYTES);
  if (!read.ok) {
    report.problem(path, 'a file of users', `${file}, which ${read.reason}`, read.hint);
    return null;
  }
  const text = read.bytes.toString('utf8');
  if (text.includes('\ufffd')) {
    report.problem(path, 'a file of users', `${file}, which is not UTF-8 text`);
    return null;
  }
  const { users, problems } = parseUsers(text);
  for (const { line, expected, received, hint } of problems.slice(0, MAX_TOLD)) {
    report.problem(path, expected, `${received} at ${file}:${line}`, hint);
  }
  if (problems.length > MAX_TOLD) {
    const rest = problems.length - MAX_TOLD;
    report.problem(path, 'a file of users', `${file}, where ${rest} more lines are wrong`);
  }
  if (problems.length > 0) return null;
  if (users.size === 0) report.warn(path, `${file} has no users: nobody can log in`);
  if ((read.mode & 0o007) !== 0) {
    report.warn(path, `everybody on this machine can read ${file}: chmod 600 ${file}`);
  }
  return { digest: digestOf(read.bytes), users };
}

export function parseUsers(text: string): {
  readonly users: ReadonlyMap<string, PasswordHash>;
  readonly problems: readonly LineProblem[];
} {
  const users = new Map<string, PasswordHash>();
  const problems: LineProblem[] = [];
  const lines = new Map<string, number>();
  text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .forEach((raw, i) => {
      const at = userLine(raw);
      if (at === null) return;
      const line = i + 1;
      if (!isUserName(at.name)) {
        problems.push({
          line,
          expected: LINE,
          received: at.hash === null ? 'a line without a colon' : 'a name that is none',
          hint: 'a name has up to 255 printable characters and no colon; # begins a comment',
        });
        return;
      }
      const known = lines.get(at.name);
      if (known !== undefined) {
        problems.push({
          line,
          expected: 'each user once',
          received: `${JSON.stringify(at.name)}, which is on line ${known} already,`,
          hint: 'delete one of the lines',
        });
        return;
      }
      lines.set(at.name, line);
      const hash = parsePasswordHash(at.hash ?? '');
      if (hash.ok) users.set(at.name, hash.value);
      else {
        problems.push({
          line,
          expected: 'a hash by scrypt or bcrypt',
          received: `${hash.found} for ${JSON.stringify(at.name)}`,
          hint: 'set a new one with sluice passwd FILE NAME, or htpasswd -B FILE NAME',
        });
      }
    });
  return { users, problems };
}

/**
 * `text` with the line of `name` replaced (null: removed), or a new one at its end. All other lines stay as they are.
 */
export function withUser(
  text: string,
  name: string,
  hash: PasswordHash | null,
): { readonly text: string; readonly wasThere: boolean } {
  const lines = text === '' ? [] : text.replace(/\r?\n$/, '').split('\n');
  const isOfName = (raw: string): boolean => userLine(raw.replace(/^\ufeff/, ''))?.name === name;
  const first = lines.findIndex(isOfName);
  const own = hash === null ? [] : [`${name}:${formatPasswordHash(hash)}`];
  const next =
    first < 0
      ? [...lines, ...own]
      : lines.flatMap((raw, i) => (i === first ? own : isOfName(raw) ? [] : [raw]));
  return { text: next.length === 0 ? '' : `${next.join('\n')}\n`, wasThere: first >= 0 };
}

/** null for comments and empty lines; no hash where there is no colon. */
function userLine(raw: string): { readonly name: string; readonly hash: string | null } | null {
  const line = raw.trim();
  if (line === '' || line.startsWith('#')) return null;
  const colon = line.indexOf(':');
  if (colon < 0) return { name: '', hash: null };
  return { name: line.slice(0, colon), hash: line.slice(colon + 1) };
}
