// Users that a configuration names and no file has: a rule or a limit that never applies.
import type { Config } from '../config/config.ts';
import { forwardListeners } from '../plan/forward-files.ts';
import type { FileWarning } from './file-report.ts';
import type { UsersFile } from './users-file.ts';

export function unknownUsers(
  config: Config,
  files: ReadonlyMap<string, UsersFile>,
): readonly FileWarning[] {
  return forwardListeners(config).flatMap(([name, { users, rules }]) => {
    const known = users === null ? undefined : files.get(users.file)?.users;
    if (users === null || known === undefined) return [];
    const at = `listeners.${name}`;
    const named = [
      ...Object.keys(users.each).map((user) => ({ path: `${at}.users.each`, user })),
      ...rules.flatMap(({ match }, i) =>
        (match.users ?? []).map((user) => ({ path: `${at}.rules[${i}].match.users`, user })),
      ),
    ];
    return named
      .filter(({ user }) => !known.has(user))
      .map(({ path, user }) => ({
        path,
        message: `${JSON.stringify(user)} is not a user in ${users.file}`,
      }));
  });
}
