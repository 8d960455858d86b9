// A password from a person, without showing it, or from a pipe.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { SluiceError } from '../contract/errors.ts';

export type PasswordInput = NodeJS.ReadableStream & { readonly isTTY?: boolean };

/** Asks on the terminal, on standard error: standard output may lead to a file. */
export async function askPassword(prompt: string, input: PasswordInput): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input, output: silent, terminal: true });
  process.stderr.write(prompt);
  try {
    const given = once(lines, 'line') as Promise<[string]>;
    const ended = once(lines, 'close').then(() => null);
    const interrupted = once(lines, 'SIGINT').then(() => null);
    const line = await Promise.race([given, ended, interrupted]);
    if (line === null)
      throw new SluiceError('config_invalid', 'no password given: nothing was changed');
    return line[0];
  } finally {
    process.stderr.write('\n');
    lines.close();
  }
}

/** The first line of standard input, which may have no end. */
export async function readPasswordLine(input: PasswordInput): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of input) {
    chunks.push(chunk as Buffer);
    if ((chunk as Buffer).includes(0x0a)) break;
  }
  return (Buffer.concat(chunks).toString('utf8').split('\n')[0] ?? '').replace(/\r$/, '');
}
