import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { FakeSource } from '../fakes/source.ts';
import { defaultSet, digest, ecKey, rsaKey, service, spec } from './service.ts';

const browser = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };
const evil = `<script>alert("x")</script>'&`;

const page = async (app = {}, keys = [rsaKey('a')]) =>
  (await service({ sources: [new FakeSource('main', keys)], app })).app;

describe('the landing page', () => {
  test('is HTML when HTML is named, else JSON', async () => {
    const app = await page();
    for (const [accept, type] of [
      [browser.accept, 'text/html; charset=utf-8'],
      ['text/html', 'text/html; charset=utf-8'],
      ['*/*', 'application/json'],
      ['application/json', 'application/json'],
      ['application/json, text/html;q=0.5', 'application/json'],
      ['text/html;q=0', 'application/json'],
    ]) {
      const answer = await app.inject({ url: '/', headers: { accept } });
      expect([answer.statusCode, answer.headers['content-type'], answer.headers.vary]).toEqual([
        200,
        type,
        'Accept',
      ]);
    }
    expect((await app.inject({ url: '/' })).headers['content-type']).toBe('application/json');
  });

  test('allows its own style sheet and nothing else', async () => {
    const app = await page();
    const { headers, body } = await app.inject({ url: '/', headers: browser });
    const style = /<style>(.*)<\/style>/su.exec(body)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(headers['content-security-policy']).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(body).not.toMatch(/<script|\son\w+=|style=|src=/iu);
    expect(body).toContain('<html lang="en">');
  });

  test('escapes every name', async () => {
    const sources = [new FakeSource(evil, [rsaKey(evil)])];
    const set = spec(evil, { sources: [evil], paths: [`/${evil}`], pemPaths: [`/${evil}/pem`] });
    const { app } = await service({ sources, sets: [set], app: { publicUrl: `https://h.example/${evil}` } });
    const { body } = await app.inject({ url: '/', headers: browser });
    expect(body).not.toContain('<script');
    expect(body.split('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;&amp;').length).toBeGreaterThan(
      6,
    );
    // Nothing but our own tags is left.
    expect(
      body.replaceAll(
        /<\/?(?:html|head|body|main|meta|title|style|h1|h2|p|a|code|section|table|caption|thead|tbody|tr|th|td|ul|li|strong)\b[^<>]*>|<!doctype html>/gu,
        '',
      ),
    ).not.toMatch(/[<>]/u);
  });

  test('lists sets with addresses that work, keys and source states', async () => {
    const keys = [rsaKey('a'), ecKey()];
    const sources = [new FakeSource('main', keys), new FakeSource('late')];
    const sets = [defaultSet, spec('other', { sources: ['late'] })];
    const { app } = await service({ sources, sets, app: { publicUrl: 'https://keys.example/' } });
    const listing = (await app.inject({ url: '/' })).json<{
      sets: { name: string; jwks: string[]; available: boolean; keyCount: number; keys: { pem: string }[] }[];
      sources: object;
    }>();
    expect(listing.sources).toEqual({ main: 'FRESH', late: 'INIT' });
    expect(listing.sets.map(({ name, available, keyCount }) => [name, available, keyCount])).toEqual([
      ['default', true, 2],
      ['other', false, 0],
    ]);
    const [first] = listing.sets;
    for (const address of [...(first?.jwks ?? []), ...(first?.keys ?? []).map(({ pem }) => pem)]) {
      expect(address).toMatch(/^https:\/\/keys\.example\/[^/]/u);
      expect((await app.inject({ url: new URL(address).pathname })).statusCode).toBe(200);
    }
    expect(first?.keys[0]?.pem).toBe(`https://keys.example/${digest('a')}.pem`);
  });

  test('follows the keyring', async () => {
    const main = new FakeSource('main', [rsaKey('a')]);
    const { app, keyring } = await service({ sources: [main] });
    expect((await app.inject({ url: '/' })).body).not.toContain('"late-kid"');
    main.publish([rsaKey('late-kid')]);
    await keyring.settled();
    expect((await app.inject({ url: '/' })).body).toContain('"late-kid"');
  });

  test('switched off it is 404, for other methods too', async () => {
    const app = await page({ landingPage: false });
    expect((await app.inject({ url: '/', headers: browser })).json()).toMatchObject({ code: 'not_found' });
    expect((await app.inject({ method: 'POST', url: '/' })).statusCode).toBe(404);
  });
});
