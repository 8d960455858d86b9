// A reverse proxy on fastify and @fastify/http-proxy, as their documentation shows it, with logs off:
// fastify-http-proxy.ts LISTEN_PORT TARGET_PORT
import proxy from '@fastify/http-proxy';
import fastify from 'fastify';

const [listenPort, targetPort] = process.argv.slice(2).map(Number);
const app = fastify({ logger: false, keepAliveTimeout: 3_600_000 });
await app.register(proxy, {
  upstream: `http://127.0.0.1:${targetPort}`,
  undici: { connections: 1_024, pipelining: 1, keepAliveTimeout: 3_600_000 },
});
await app.listen({ port: listenPort ?? 0, host: '127.0.0.1', backlog: 4_096 });
process.once('SIGTERM', () => process.exit(0));
