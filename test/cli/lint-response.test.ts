import { describe, expect, test } from 'vitest';
import type { DocumentResponse } from '../../src/cli/exchange.ts';
import { lintResponses } from '../../src/cli/lint-response.ts';

const good: DocumentResponse = {
  status: 200,
  url: 'https://keys.example/jwks.json?key=geheim',
  headers: { 'cache-control': 'public, max-age=300' },
  milliseconds: 500,
};
const wall = Date.UTC(2026, 0, 1);
const lint = (...responses: readonly DocumentResponse[]) => lintResponses(responses, { wall });
const withHeaders = (headers: Record<string, string>): DocumentResponse => ({ ...good, headers });

test('an answer that clients like has no finding', () => {
  expect(lint(good)).toEqual([]);
  expect(lint({ ...good, url: 'http://127.0.0.1:8080/jwks.json' })).toEqual([]);
  expect(lint({ ...good, url: 'http://[::1]/jwks.json' })).toEqual([]);
  expect(lint(withHeaders({ expires: new Date(wall + 60_000).toUTCString() }))).toEqual([]);
});

describe('one defect is one finding', () => {
  test.each<[string, DocumentResponse]>([
    ['cache-missing', withHeaders({})],
    ['cache-missing', withHeaders({ 'cache-control': 'public' })],
    ['cache-hostile', withHeaders({ 'cache-control': 'no-store' })],
    ['cache-hostile', withHeaders({ 'cache-control': 'no-cache' })],
    ['cache-hostile', withHeaders({ 'cache-control': 'max-age=0' })],
    ['cache-hostile', withHeaders({ 'cache-control': 'max-age=60', age: '60' })],
    ['cache-hostile', withHeaders({ expires: '0' })],
    ['plain-http', { ...good, url: 'http://keys.example/jwks.json?key=geheim' }],
    ['slow', { ...good, milliseconds: 501 }],
    ['compressed', withHeaders({ ...good.headers, 'content-encoding': 'gzip' })],
  ])('%s', (code, response) => {
    const findings = lint(response);
    expect(findings.map((finding) => finding.code)).toEqual([code]);
    expect(findings[0]?.level).toBe('warning');
    expect(JSON.stringify(findings)).not.toContain('geheim');
  });

  test('redirect', () => {
    const { url } = good;
    const moved = {
      status: 301,
      url,
      headers: {},
      milliseconds: 1,
      location: 'https://b.example/x?key=geheim',
    };
    expect(lint(moved, good)).toEqual([
      { code: 'redirect', level: 'warning', detail: '301, to https://b.example/x' },
    ]);
  });
});

test('what troubles only other clients is not told', () => {
  const slow = { ...good, milliseconds: 501 };
  expect(lintResponses([slow], { wall, profile: 'jitsi' })).toEqual([]);
  expect(lintResponses([slow], { wall, clients: ['opencast'] })).toHaveLength(1);
});
