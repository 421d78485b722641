import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { errors } from '../../src/errors.ts';
import { FakeSource } from '../fakes/source.ts';
import { rsaKey, service } from './service.ts';

const page = await readFile(new URL('../../docs/http-api.md', import.meta.url), 'utf8');

test('docs/http-api.md lists exactly the error codes that have an HTTP status', () => {
  const section = page.slice(page.indexOf('## Errors'), page.indexOf('## Connections'));
  const listed = [...section.matchAll(/^\| +(\d{3}) +\| +`(\w+)` +\| +(.+?) +\|$/gmu)].map(
    ([, status, code, title]) => [code, { status: Number(status), title }],
  );
  const http = Object.entries(errors).filter(([, entry]) => 'status' in entry);
  expect(listed).toEqual(http);
});

/** Header lines by name. */
const pairs = (lines: string[]): Record<string, string> =>
  Object.fromEntries(lines.map((line) => line.split(/: (.*)/u, 2) as [string, string]));

/** The request and the answer of a block marked `http`. */
const examples = [...page.matchAll(/^```http\n([\s\S]*?)^```$/gmu)].map(([, block = '']) => {
  const [request = '', answer = '', body] = block.trim().split('\n\n');
  const [requestLine = '', ...requestHeaders] = request.split('\n');
  const [statusLine = '', ...answerHeaders] = answer.split('\n');
  const [method = '', url = ''] = requestLine.split(' ');
  return {
    requestLine,
    method,
    url,
    requestHeaders: pairs(requestHeaders),
    status: Number(statusLine.split(' ')[1]),
    answerHeaders: pairs(answerHeaders),
    body,
  };
});

test('docs/http-api.md has examples', () => expect(examples.length).toBeGreaterThan(10));

test.each(examples)('the documented answer is given to $requestLine', async (example) => {
  const { app } = await service({
    sources: [new FakeSource('main', [rsaKey('1DKOk8q4Dc9BSgDLmksFemg5lEGuoYQvYrHVOnXNj3k')])],
  });
  const answer = await app.inject({
    method: example.method as 'GET',
    url: example.url,
    headers: example.requestHeaders,
  });
  expect(answer.statusCode).toBe(example.status);
  for (const [name, value] of Object.entries(example.answerHeaders)) {
    expect(answer.headers[name.toLowerCase()], name).toBe(value);
  }
  if (example.body !== undefined) expect(answer.body).toBe(example.body);
});
