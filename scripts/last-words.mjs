// A reporter of node:test beside the usual one: once all tests have run, it says again how and with what words test
// files have ended that failed although their tests passed. In the run itself that stands far above, among thousands of
// lines, and such a file is listed as no more than "test failed".
const FAILED_AS_A_FILE = 'test failed';
const MOST_LINES = 60;

/** Yields nothing when no file failed in this way. */
export default async function* lastWords(events) {
  const said = new Map();
  /** What came after a test had ended: it names the test, and no file. */
  const late = [];
  const failed = [];
  for await (const { type, data } of events) {
    if (type === 'test:stderr') said.set(data.file, (said.get(data.file) ?? '') + data.message);
    if (type === 'test:diagnostic' && data.message.includes('asynchronous activity'))
      late.push(data.message);
    if (type === 'test:fail' && data.details.error.cause === FAILED_AS_A_FILE) failed.push(data);
  }
  for (const { name, details } of failed) {
    const { exitCode, signal } = details.error;
    yield `\n✖ ${name} ended with ${signal ?? `exit status ${exitCode}`} and said:\n`;
    const lines = (said.get(name) ?? 'nothing').trimEnd().split('\n');
    for (const line of lines.slice(-MOST_LINES)) yield `    ${line}\n`;
  }
  for (const message of late) yield `\n✖ ${message}\n`;
}
