import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FileReport } from '../../../src/control/file-report.ts';
import { formatPasswordHash, hashPassword } from '../../../src/control/password-hash.ts';
import { parseUsers, readUsersFile, withUser } from '../../../src/control/users-file.ts';
import { temporaryFolder } from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';

const SCRYPT =
  '$scrypt$ln=15,r=8,p=1$cRZVB0s/qtewdOYx6ancaA$e1TZqb1yo3Wpv5Iy7Oe2Bh/sbUl65ix0XzIBNY85CjE';
const BCRYPT = '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';

const problemsOf = (text: string): string[] =>
  parseUsers(text).problems.map(
    ({ line, expected, received, hint }) =>
      `${line}: ${expected}; ${received}${hint === undefined ? '' : `; ${hint}`}`,
  );

describe('a file of users', () => {
  it('has a name and a hash a line, comments, empty lines, and line ends of any kind', () => {
    const { users, problems } = parseUsers(
      `\ufeff# people\r\n\r\nalice:${SCRYPT}\r\n  bob:${BCRYPT}  \n\nzoë x:${BCRYPT}`,
    );
    assert.deepEqual(problems, []);
    assert.deepEqual([...users.keys()], ['alice', 'bob', 'zoë x']);
    assert.deepEqual(
      [...users.values()].map(({ kind }) => kind),
      ['scrypt', 'bcrypt', 'bcrypt'],
    );
    assert.deepEqual([...users.values()].map(formatPasswordHash), [SCRYPT, BCRYPT, BCRYPT]);
  });

  it('takes bcrypt of the versions 2a, 2b and 2y and of costs that can be waited for', () => {
    const lines = ['$2a$', '$2b$', '$2y$'].map(
      (version, i) => `u${i}:${BCRYPT.replace('$2y$', version)}`,
    );
    assert.deepEqual(problemsOf(lines.join('\n')), []);
    for (const bad of ['$2x$05$', '$2$05$', '$2y$03$', '$2y$17$', '$2y$5$']) {
      assert.match(
        problemsOf(`a:${BCRYPT.replace('$2y$05$', bad)}`)[0] ?? '',
        /bcrypt of another version or cost/,
      );
    }
  });

  it('takes scrypt of terms that can be afforded', () => {
    for (const terms of ['ln=10,r=8,p=1', 'ln=17,r=8,p=4', 'ln=20,r=2,p=1']) {
      assert.deepEqual(problemsOf(`a:${SCRYPT.replace('ln=15,r=8,p=1', terms)}`), []);
    }
    for (const terms of [
      'ln=9,r=8,p=1',
      'ln=20,r=8,p=1',
      'ln=15,r=0,p=1',
      'ln=15,r=8,p=17',
      'ln=15,r=8',
    ]) {
      assert.match(
        problemsOf(`a:${SCRYPT.replace('ln=15,r=8,p=1', terms)}`)[0] ?? '',
        /scrypt with other terms/,
      );
    }
  });

  it('names what is wrong with a line, and what to do, without showing it', () => {
    const remedy = 'set a new one with sluice passwd FILE NAME, or htpasswd -B FILE NAME';
    const kinds = [
      ['$apr1$abc$def', 'MD5'],
      ['$1$abc$def', 'MD5'],
      ['{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', 'SHA-1'],
      ['$5$abc$def', 'SHA-256 crypt'],
      ['$6$abc$def', 'SHA-512 crypt'],
      ['$argon2id$v=19$m=65536', 'Argon2'],
      ['$y$j9T$abc', 'yescrypt'],
      ['rqXexS6ZhobKA', 'something that may be DES crypt'],
      ['hunter2', 'something else, maybe a password, which is not shown,'],
      ['', 'nothing'],
    ];
    assert.deepEqual(
      problemsOf(kinds.map(([hash], i) => `u${i}:${hash}`).join('\n')),
      kinds.map(
        ([, found], i) => `${i + 1}: a hash by scrypt or bcrypt; ${found} for "u${i}"; ${remedy}`,
      ),
    );
    const aName = 'a name has up to 255 printable characters and no colon; # begins a comment';
    assert.deepEqual(
      problemsOf(`alice\n:${SCRYPT}\na\u0001b:${SCRYPT}\n${'x'.repeat(256)}:${SCRYPT}`),
      [
        `1: name:hash; a line without a colon; ${aName}`,
        `2: name:hash; a name that is none; ${aName}`,
        `3: name:hash; a name that is none; ${aName}`,
        `4: name:hash; a name that is none; ${aName}`,
      ],
    );
  });

  it('has each user once', () => {
    assert.deepEqual(problemsOf(`alice:${SCRYPT}\n#\nalice:${BCRYPT}`), [
      '3: each user once; "alice", which is on line 1 already,; delete one of the lines',
    ]);
  });

  describe('on disk', () => {
    let scope: Scope;
    let file: string;
    let report: FileReport;

    beforeEach(async () => {
      scope = new Scope();
      file = join(await temporaryFolder(scope), 'users.txt');
      report = new FileReport();
    });
    afterEach(() => scope.close());

    it('is told apart by its contents', async () => {
      await writeFile(file, `alice:${SCRYPT}\n`, { mode: 0o600 });
      const first = await readUsersFile('users', file, report);
      await writeFile(file, `alice:${BCRYPT}\n`);
      const second = await readUsersFile('users', file, report);
      assert.notEqual(first?.digest, second?.digest);
      assert.deepEqual([report.problems, report.warnings], [[], []]);
    });

    it('is refused as a whole when a line is wrong, which is named by file and number', async () => {
      await writeFile(file, `alice:${SCRYPT}\nbob:swordfish\n`, { mode: 0o600 });
      assert.equal(await readUsersFile('listeners.p.users', file, report), null);
      assert.deepEqual(report.problems, [
        {
          path: 'listeners.p.users',
          expected: 'a hash by scrypt or bcrypt',
          received: `something else, maybe a password, which is not shown, for "bob" at ${file}:2`,
          hint: 'set a new one with sluice passwd FILE NAME, or htpasswd -B FILE NAME',
        },
      ]);
      assert.doesNotMatch(JSON.stringify(report), /swordfish/);
    });

    it('that is no list of users at all is not told line by line', async () => {
      await writeFile(file, 'x\n'.repeat(1000));
      assert.equal(await readUsersFile('users', file, report), null);
      assert.equal(report.problems.length, 21);
      assert.equal(report.problems.at(-1)?.received, `${file}, where 980 more lines are wrong`);
    });

    it('may be missing or not be text, which is a problem', async () => {
      assert.equal(await readUsersFile('users', file, report), null);
      await writeFile(file, Buffer.from([0x61, 0xff, 0xfe]));
      assert.equal(await readUsersFile('users', file, report), null);
      assert.deepEqual(
        report.problems.map(({ received }) => received),
        [`${file}, which does not exist`, `${file}, which is not UTF-8 text`],
      );
    });

    it('without users, or for everybody to read, is worth a warning', async () => {
      await writeFile(file, '# nobody yet\n');
      await chmod(file, 0o644);
      assert.equal((await readUsersFile('users', file, report))?.users.size, 0);
      assert.deepEqual(
        report.warnings.map(({ message }) => message),
        [
          `${file} has no users: nobody can log in`,
          `everybody on this machine can read ${file}: chmod 600 ${file}`,
        ],
      );
    });
  });
});

describe('a user in the text of a file', () => {
  it('is added at the end, replaced where it is, or deleted, and nothing else changes', async () => {
    const hash = await hashPassword('secret');
    const line = `alice:${formatPasswordHash(hash)}\n`;
    assert.deepEqual(withUser('', 'alice', hash), { text: line, wasThere: false });
    assert.deepEqual(withUser('# x\r\nbob:1', 'alice', hash), {
      text: `# x\r\nbob:1\n${line}`,
      wasThere: false,
    });
    assert.deepEqual(withUser('alice:1\nbob:2\n alice:3\n', 'alice', hash), {
      text: `${line}bob:2\n`,
      wasThere: true,
    });
    assert.deepEqual(withUser('#alice:1\nalice:1\n', 'alice', null), {
      text: '#alice:1\n',
      wasThere: true,
    });
    assert.deepEqual(withUser('alice:1\n', 'alice', null), { text: '', wasThere: true });
    assert.deepEqual(withUser('alicea:1\n', 'alice', null), {
      text: 'alicea:1\n',
      wasThere: false,
    });
  });
});
