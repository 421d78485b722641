// What the documented commands use of curl, for machines without it. Ports of the documentation stand for the ports of
// the server under test. An answer that is no success ends with 22, as `curl --fail` does.
const known = new Set(['-s']);
const urls = [];
for (const word of process.argv.slice(2)) {
  if (word.startsWith('-') && !known.has(word)) {
    process.stderr.write(`curl.mjs does not know ${word}: teach it\n`);
    process.exit(2);
  }
  if (!word.startsWith('-')) urls.push(word);
}
const { SERVER_URL = '', OPS_URL = '' } = process.env;
for (const url of urls) {
  const to = url
    .replace(/^http:\/\/(?:localhost|127\.0\.0\.1):8080(?=\/|$)/u, SERVER_URL)
    .replace(/^http:\/\/(?:localhost|127\.0\.0\.1):9464(?=\/|$)/u, OPS_URL);
  const response = await fetch(to, { redirect: 'manual' });
  process.stdout.write(Buffer.from(await response.arrayBuffer()));
  if (!response.ok) {
    process.stderr.write(`${url}: ${response.status}\n`);
    process.exitCode = 22;
  }
}
