import fastify from 'fastify';

// Fastify alone, with one route that sends bytes.
const [port] = process.argv.slice(2);
const body = Buffer.from('{"status":"ready"}');
const app = fastify();
app.get('/readyz', (_request, reply) => reply.type('application/json').send(body));
await app.listen({ port: Number(port), host: '127.0.0.1' });
process.once('SIGTERM', () => process.exit(0));
