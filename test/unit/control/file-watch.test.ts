import assert from 'node:assert/strict';
import { appendFile, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type FileWatch, signatureOf, watchFiles } from '../../../src/control/file-watch.ts';
import { temporaryFolder } from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';

/** Longer than any test takes: a watch that polls so rarely does not poll. */
const NEVER_MS = 3_600_000;

describe('watched files', () => {
  let scope: Scope;
  let folder: string;
  let file: string;
  let calls: number;
  let waiting: (() => void)[];

  beforeEach(async () => {
    scope = new Scope();
    // Watches keep no process alive, so the test does.
    const alive = setInterval(() => {}, NEVER_MS);
    scope.defer(() => clearInterval(alive));
    folder = await temporaryFolder(scope);
    file = join(folder, 'a.pem');
    await writeFile(file, 'one');
    calls = 0;
    waiting = [];
  });
  afterEach(() => scope.close());

  async function watched(
    files: readonly string[],
    times: { readonly pollMs?: number; readonly quietMs?: number } = {},
  ): Promise<FileWatch> {
    const watch = watchFiles({
      files,
      known: await signatureOf(files),
      onChange: () => {
        calls++;
        for (const done of waiting.splice(0)) done();
        return Promise.resolve();
      },
      ...{ pollMs: NEVER_MS, quietMs: 20, ...times },
    });
    scope.own(watch);
    return watch;
  }
  const nextCall = () => new Promise<void>((resolve) => void waiting.push(resolve));

  it('are news when one is written in place', async () => {
    await watched([file]);
    const called = nextCall();
    await appendFile(file, 'more');
    await called;
  });

  it('are news when one is replaced by rename', async () => {
    await watched([file]);
    const called = nextCall();
    await writeFile(join(folder, 'new'), 'two');
    await rename(join(folder, 'new'), file);
    await called;
  });

  it('are news when a folder above is swapped by symbolic link, as Kubernetes does', async () => {
    for (const name of ['..1', '..2']) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'tls.crt'), name);
    }
    await symlink('..1', join(folder, '..data'));
    await symlink('..data/tls.crt', join(folder, 'tls.crt'));
    await watched([join(folder, 'tls.crt')]);
    const called = nextCall();
    await symlink('..2', join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    await called;
  });

  it('are news whenever their own folder is a link that comes to point elsewhere, and in what it leads to', async () => {
    for (const name of ['one', 'two', 'three']) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'site.pem'), name);
    }
    await symlink('one', join(folder, 'live'));
    await watched([join(folder, 'live', 'site.pem')]);
    for (const name of ['two', 'three']) {
      const called = nextCall();
      await symlink(name, join(folder, 'next'));
      await rename(join(folder, 'next'), join(folder, 'live'));
      await called;
    }
    const called = nextCall();
    await writeFile(join(folder, 'new'), 'by rename');
    await rename(join(folder, 'new'), join(folder, 'three', 'site.pem'));
    await called;
  });

  it('are news again once their folder was made anew', async () => {
    const inner = join(folder, 'inner');
    const own = join(inner, 'site.pem');
    await mkdir(inner);
    await writeFile(own, 'one');
    await watched([own], { pollMs: 20 });
    for (const text of ['another', 'and another']) {
      const called = nextCall();
      await rm(inner, { recursive: true });
      await mkdir(inner);
      await writeFile(own, text);
      await called;
    }
  });

  it('are found by looking where a link leads to another folder', async () => {
    const [live, archive] = [join(folder, 'live'), join(folder, 'archive')];
    await mkdir(live);
    await mkdir(archive);
    await writeFile(join(archive, 'cert1.pem'), 'one');
    await symlink(join(archive, 'cert1.pem'), join(live, 'cert.pem'));
    await symlink(join(live, 'cert.pem'), join(folder, 'site.pem'));
    const file = join(folder, 'site.pem');
    await watched([file], { pollMs: 20 });
    const called = nextCall();
    await writeFile(join(archive, 'cert1.pem'), 'another');
    await called;
  });

  it('are news when one goes, and when it comes back', async () => {
    await watched([file]);
    let called = nextCall();
    await rm(file);
    await called;
    called = nextCall();
    await writeFile(file, 'back');
    await called;
  });

  it('are no news while other files of the folder change', async () => {
    await watched([file]);
    const called = nextCall();
    for (let i = 0; i < 5; i++) await writeFile(join(folder, `other${i}`), 'x');
    await appendFile(file, 'more');
    await called;
    assert.equal(calls, 1);
  });

  it('that changed before anybody watched are found', async () => {
    const known = await signatureOf([file]);
    await appendFile(file, 'more');
    await new Promise<void>((resolve) => {
      const onChange = () => {
        resolve();
        return Promise.resolve();
      };
      scope.own(watchFiles({ files: [file], known, onChange, pollMs: NEVER_MS, quietMs: 5 }));
    });
  });

  it('are looked at in folders that come later', async () => {
    const later = join(folder, 'later', 'a.pem');
    await watched([later], { pollMs: 20 });
    const called = nextCall();
    await mkdir(join(folder, 'later'));
    await writeFile(later, 'one');
    await called;
  });

  it('are called about again when that is asked for, even from a call', async () => {
    let count = 0;
    await new Promise<void>((resolve) => {
      const watch: FileWatch = watchFiles({
        files: [file],
        known: '',
        onChange: () => {
          count++;
          if (count === 3) resolve();
          else watch.callAgain(5);
          return Promise.resolve();
        },
        pollMs: NEVER_MS,
        quietMs: 5,
      });
      scope.own(watch);
    });
    assert.equal(count, 3);
  });
});
