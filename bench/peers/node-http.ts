import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

/** One answer, as it was recorded. */
interface Recorded {
  readonly status: number;
  readonly headers: string[];
  /** Base64. */
  readonly body: string;
}

// The least a Node server can do: look the path up, write the recorded headers, write the recorded bytes.
const [port, file = ''] = process.argv.slice(2);
const recorded = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Recorded>;
const answers = new Map(
  Object.entries(recorded).map(([path, { status, headers, body }]) => [
    path,
    { status, headers, body: Buffer.from(body, 'base64') },
  ]),
);
const server = createServer((request, response) => {
  const answer = answers.get(request.url ?? '');
  if (answer === undefined) {
    response.writeHead(404).end();
  } else {
    response.writeHead(answer.status, answer.headers);
    response.end(answer.body);
  }
});
// As jwksd, so that the header Keep-Alive has the same bytes.
server.keepAliveTimeout = 72_000;
server.listen(Number(port), '127.0.0.1');
process.once('SIGTERM', () => process.exit(0));
