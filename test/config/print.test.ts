import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { configAsJson, printConfig } from '../../src/config/print.ts';
import { documentNode, mapOf, variants, type SchemaNode } from '../../src/config/schema.ts';
import { config, loaded, type Given } from './workspace.ts';

const given: Given = {
  yaml: `server:
  port: 1111
ops: { token: hush-hush-hush-hush }
sources:
  a.b:
    type: jwks
    url: https://sso.example.org/certs?key=hush
    headers: { Authorization: Bearer hush, X-Realm: hush }
  idp: { type: oidc, issuer: https://login.example.org, jwksUri: "https://login.example.org/k?hush" }
  files: { type: files, path: keys }
sets:
  default: { sources: [files] }
  idp: { sources: [idp, a.b], pem: null }
`,
  env: { JWKSD_LOG__LEVEL: 'debug' },
  flags: { host: '0.0.0.0' },
};

describe('config print', () => {
  test('shows each value with its origin', async () => {
    const text = printConfig(await loaded(given));
    const line = (start: string): string =>
      text.split('\n').find((each) => each.trim().startsWith(start)) ?? '';
    expect(line('port:')).toBe('  port: 1111 # jwksd.yaml:2');
    expect(line('host:')).toBe('  host: 0.0.0.0 # flag --host');
    expect(line('level:')).toBe('  level: debug # env JWKSD_LOG__LEVEL');
    expect(line('bodyLimit:')).toBe('  bodyLimit: 16KiB # default');
    expect(line('sources: [idp')).toBe('    sources: [idp, a.b] # jwksd.yaml:13');
    expect(line('paths: [/.well')).toBe('    paths: [/.well-known/jwks.json] # default');
    expect(text.split('\n')[0]).toMatch(/^# .*jwksd\.yaml$/);
  });

  test('shows no secret, in neither form', async () => {
    const result = await loaded(given);
    for (const text of [printConfig(result), JSON.stringify(configAsJson(result))]) {
      expect(text).not.toContain('hush');
      expect(text).toContain('********');
      expect(text).toContain('https://sso.example.org/certs');
    }
  });

  test('shows no password of a store', async () => {
    const result = await loaded({
      yaml: `server: { publicUrl: https://keys.example.org }
sources: { a: { type: files, path: x } }
registration:
  accessToken: { jwt: { issuer: i, source: a, audience: x } }
  store: { type: postgres, url: "postgres://jwksd:hush@db/jwksd" }
`,
    });
    for (const text of [printConfig(result), JSON.stringify(configAsJson(result))]) {
      expect(text).not.toContain('hush');
    }
  });

  test('masks every key the schema calls secret', () => {
    const secrets: string[] = [];
    const collect = (node: SchemaNode, path: string): void => {
      for (const variant of variants(node)) {
        if (variant.writeOnly === true) secrets.push(path);
        const values = mapOf(variant)?.values;
        if (values !== undefined) collect(values, `${path}.*`);
        for (const [key, child] of Object.entries(variant.properties ?? {})) collect(child, `${path}.${key}`);
      }
    };
    collect(documentNode, '');
    // Whoever adds a secret to the schema masks it in print.ts and in the test above.
    expect([...new Set(secrets)]).toEqual(['.ops.token', '.sources.*.headers.*', '.registration.store.url']);
  });

  test('is a file that means the same', async () => {
    const { yaml = '', ...rest } = given;
    const open = { ...rest, yaml: yaml.replaceAll(/ops:.*\n| +headers:.*\n|\?key=hush|\?hush/g, '') };
    const first = await loaded(open);
    expect(await config({ yaml: printConfig(first) })).toEqual(first.config);
  });

  test('parses as YAML to what the JSON form has', async () => {
    const result = await loaded(given);
    expect(configAsJson(result)).toMatchObject({
      builtIn: false,
      config: parse(printConfig(result)) as object,
      origins: {
        'server.port': 'jwksd.yaml:2',
        'log.level': 'env JWKSD_LOG__LEVEL',
        'sources["a.b"].refreshMin': 'default',
        'sets.idp.pem.paths': 'jwksd.yaml:13',
      },
    });
  });

  test('says that the quickstart is built in', async () => {
    expect(printConfig(await loaded({})).split('\n')[0]).toContain('built in');
  });
});
