// Whether a contestant does the work of a case right, before anything is measured.
import { Agent, get, type OutgoingHttpHeaders } from 'node:http';
import { get as getSecurely, Agent as SecureAgent } from 'node:https';
import { type LoadTools, runLoad } from './load.ts';
import { httpPath, isForward, isTls, type Work } from './work.ts';

const SIZES = [100, 1024 * 1024] as const;
const PATIENCE_MS = 5_000;
/** The run's own certificate, which nobody vouches for. */
const ANYONE = { servername: 'bench.test', rejectUnauthorized: false };

/** Throws when what comes through `port` is not, to the byte, what the origin sends. */
export async function checkAnswers(
  tools: LoadTools,
  work: Work,
  ports: { readonly proxy: number; readonly origin: number },
): Promise<void> {
  if (work.kind === 'http' || work.kind === 'idle') {
    await checkHttp(ports.proxy, ports.origin, work);
    return;
  }
  // Our generators verify every byte of a first exchange, and end with an error when one is wrong.
  const { errors } = await runLoad(tools, {
    work: sample(work),
    port: ports.proxy,
    targetPort: ports.origin,
    seconds: 0.1,
  });
  if (errors.length > 0) throw new Error(errors.join(', '));
}

/** Larger pieces of the same work. */
function sample(work: Exclude<Work, { readonly kind: 'http' | 'idle' }>): Work {
  const arrival = { kind: 'closed' } as const;
  switch (work.kind) {
    case 'tcp-bulk':
      return work;
    case 'tcp-echo':
      return { ...work, connections: 4, bytes: 4_096, arrival };
    case 'tunnels':
      return { ...work, clients: 4, bytes: 4_096, arrival };
    case 'udp-echo':
      return { ...work, flows: 4, outstanding: 2, bytes: 1_400, arrival };
  }
}

/** A small and a large body, twice on one kept-alive connection. */
async function checkHttp(proxyPort: number, originPort: number, work: Work): Promise<void> {
  const settings = { keepAlive: true, maxSockets: 1 };
  const host = `127.0.0.1:${originPort}`;
  const before = isForward(work) ? `http://${host}` : '';
  const agent = isTls(work) ? new SecureAgent({ ...settings, ...ANYONE }) : new Agent(settings);
  const originAgent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    for (const size of [...SIZES, ...SIZES]) {
      const path = httpPath(size);
      const expected = await fetchBytes(originPort, path, originAgent);
      if (expected.status !== 200 || expected.body.length !== size) {
        throw new Error(`the origin itself answers ${path} wrongly`);
      }
      const headers = isForward(work) ? { Host: host } : {};
      const answer = await fetchBytes(proxyPort, before + path, agent, headers);
      if (answer.status !== 200) throw new Error(`${path} was answered with ${answer.status}`);
      if (!answer.body.equals(expected.body)) throw new Error(`${path} came with the wrong body`);
    }
  } finally {
    agent.destroy();
    originAgent.destroy();
  }
}

function fetchBytes(
  port: number,
  path: string,
  agent: Agent,
  headers: OutgoingHttpHeaders = {},
): Promise<{ readonly status: number | undefined; readonly body: Buffer }> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, agent, headers, timeout: PATIENCE_MS };
    const ask = agent instanceof SecureAgent ? getSecurely : get;
    const request = ask(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        resolve({ status: response.statusCode, body: Buffer.concat(chunks) });
      });
    });
    request.once('timeout', () => {
      request.destroy(new Error(`${path} was not answered in ${PATIENCE_MS / 1_000} s`));
    });
    request.once('error', reject);
  });
}
