// A reverse proxy on http-proxy, as its documentation shows it, with kept-alive connections to the target:
// http-proxy.ts LISTEN_PORT TARGET_PORT
import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';

const [listenPort, targetPort] = process.argv.slice(2).map(Number);
const proxy = httpProxy.createProxyServer({
  target: `http://127.0.0.1:${targetPort}`,
  agent: new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY }),
});
proxy.on('error', (error, _request, response) => {
  if ('writeHead' in response && !response.headersSent) {
    response.writeHead(502).end(error.message);
  } else {
    response.destroy();
  }
});
const listener = createServer((request, response) => proxy.web(request, response));
listener.keepAliveTimeout = 3_600_000;
listener.listen(listenPort, '127.0.0.1', 4_096);
process.once('SIGTERM', () => process.exit(0));
