import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { LdapGroups, type LdapOptions } from '../../src/tokens/validation/ldap-groups.ts';
import { startJwksd, temporaryDirectory } from '../fakes/jwksd.ts';
import { makeSigner } from '../acceptance/signer.ts';
import { dnOf, noSlapd, password, reader, startDirectory, type Directory } from './directory.ts';

const special = 'o"dd,+\\<>;=#user';
const many = Array.from({ length: 5000 }, (_, n) => `group-${n}`);
const users = [
  'jane',
  'joe',
  'Zoë Ångström 李',
  special,
  ' spaced ',
  '*',
  '*)(uid=*',
  'twin',
  'lonely',
  'many',
];
const groups: Record<string, readonly string[]> = {
  staff: ['jane', 'joe', special, 'Zoë Ångström 李'],
  'Gruppe, mit "Zeichen" + Größe': ['jane'],
  stars: ['*'],
  injectors: ['*)(uid=*'],
  ...Object.fromEntries(many.map((name) => [name, ['many']])),
};

describe.skipIf(noSlapd !== '')(`groups of a real OpenLDAP${noSlapd}`, () => {
  let directory: Directory;
  beforeAll(async () => {
    directory = await startDirectory(users, groups);
  }, 60_000);
  afterAll(async () => await directory?.[Symbol.asyncDispose]());

  const options = (more: Partial<LdapOptions> = {}): LdapOptions => ({
    url: directory.url,
    bindDn: reader,
    passwordFile: directory.passwordFile,
    base: directory.base,
    userFilter: '(&(objectClass=inetOrgPerson)(uid={{sub}}))',
    filter: '(member={{dn}})',
    attribute: 'cn',
    startTls: false,
    caFile: null,
    timeout: 5000,
    ...more,
  });
  const ask = async (sub: string, more: Partial<LdapOptions> = {}) => {
    const answer = await new LdapGroups(options(more), systemClock).resolve(sub);
    return answer.known === true ? [...answer.groups].sort() : answer;
  };
  const janes = ['Gruppe, mit "Zeichen" + Größe', 'staff'];

  test('are those that name the entry of the subject', async () => {
    expect(await ask('jane')).toEqual(janes);
    expect(await ask('lonely')).toEqual([]);
    expect(await ask('nobody')).toEqual({ known: false });
  });

  test('are found for subjects and DNs of any characters', async () => {
    expect(await ask('Zoë Ångström 李')).toEqual(['staff']);
    expect(await ask(special)).toEqual(['staff']);
    expect(await ask('joe', { filter: `(|(member={{dn}})(cn={{sub}}))` })).toEqual(['joe', 'staff']);
  });

  test.each(['*)(uid=*', '*'])('of %s are those of the user of that very name', async (sub) => {
    expect(await ask(sub)).toEqual([sub === '*' ? 'stars' : 'injectors']);
  });

  test.each([
    'j*',
    'jane)(uid=joe',
    'jane)(|(uid=*',
    '\\2a',
    'jane\u0000',
    '',
    'nobody)(objectClass=*))(&(uid=x',
    ')',
    '(',
    '\\',
  ])('nothing is found for %j, which no entry is called', async (sub) => {
    expect(await ask(sub)).toEqual({ known: false });
  });

  test('are 5,000 where there are 5,000, in pages', async () => {
    expect(await ask('many')).toEqual([...many].sort());
  });

  test('come over ldaps and StartTLS with an authority of our own, and over neither with another', async () => {
    const { ldaps, caFile, otherCaFile } = directory;
    expect(await ask('jane', { url: ldaps, caFile })).toEqual(janes);
    expect(await ask('jane', { startTls: true, caFile })).toEqual(janes);
    expect(await ask('jane', { url: ldaps.replace('127.0.0.1', 'localhost'), caFile })).toEqual(janes);
    for (const more of [
      { url: ldaps, caFile: otherCaFile },
      { startTls: true, caFile: otherCaFile },
      { url: ldaps },
      { startTls: true },
      { url: ldaps, caFile: `${caFile}.missing` },
    ]) {
      expect(await ask('jane', more)).toMatchObject({ known: 'unavailable' });
    }
  });

  test('are unavailable with a wrong password, and there again when the file has the right one', async () => {
    const file = path.join(directory.path, 'changing');
    await writeFile(file, 'wrong');
    const ldap = new LdapGroups(options({ passwordFile: file }), systemClock);
    expect(await ldap.resolve('jane')).toEqual({
      known: 'unavailable',
      hint: expect.stringMatching(/^the LDAP directory: InvalidCredentialsError/u) as string,
    });
    await writeFile(file, '');
    expect(await ldap.resolve('jane')).toMatchObject({ known: 'unavailable' });
    await writeFile(file, password);
    expect(await ldap.resolve('jane')).toMatchObject({ known: true });
  });

  test('are unavailable where the base is in another directory, which is not followed', async () => {
    const base = `ou=elsewhere,${directory.base}`;
    expect(await ask('jane', { base })).toMatchObject({ known: 'unavailable' });
  });

  test('are unavailable where the base is not there, and for a filter that finds two', async () => {
    expect(await ask('jane', { base: `ou=none,${directory.base}` })).toMatchObject({ known: 'unavailable' });
    const userFilter = '(|(uid={{sub}})(uid=joe))';
    expect(await ask('jane', { userFilter })).toMatchObject({ known: 'unavailable' });
  });

  test('are asked for anonymously where nobody is named', async () => {
    const nobody = { bindDn: null, passwordFile: null };
    // This one tells strangers nothing.
    expect(await ask('jane', nobody)).not.toEqual(janes);
    await using open = await startDirectory(['jane'], { staff: ['jane'] }, { anonymous: 'read' });
    expect(await ask('jane', { ...nobody, url: open.url })).toEqual(['staff']);
  });

  test('stand beside a token that names none, in the real process, and forbid while the directory is down', async () => {
    await using work = await temporaryDirectory();
    const idp = await makeSigner();
    await writeFile(path.join(work.path, 'keys.json'), JSON.stringify({ keys: [idp.jwk] }));
    await using own = await startDirectory(['jane'], { staff: ['jane'] });
    const config = path.join(work.path, 'jwksd.yaml');
    await writeFile(
      config,
      `sources: { idp: { type: files, path: keys.json } }
sets: { main: { sources: [idp] } }
validation:
  issuers: { main: { issuer: https://sso.example, set: main } }
  groups:
    order: [claim, ldap]
    cache: 0s
    ldap: { url: ${own.url}, bindDn: "${reader}", passwordFile: ${own.passwordFile}, base: "${own.base}" }
`,
    );
    await using server = await startJwksd(['--config', config]);
    const validate = async (claims: object = {}, query = ''): Promise<Response> =>
      await fetch(`${server.url}/validate${query}`, {
        headers: {
          authorization: `Bearer ${await idp.token({ iss: 'https://sso.example', sub: 'jane', ...claims })}`,
        },
      });
    expect(await (await validate()).json()).toMatchObject({ sub: 'jane', groups: ['staff'] });
    expect((await validate({}, '?group=STAFF')).status).toBe(200);
    expect((await validate({ groups: [] }, '?group=staff')).status).toBe(403);
    await own[Symbol.asyncDispose]();
    expect((await validate()).status).toBe(403);
    expect((await validate({ groups: ['x'] })).status).toBe(200);
    const metrics = await (await fetch(`${server.opsUrl}/metrics`)).text();
    expect(metrics).toContain('jwksd_groups_lookups_total{place="ldap",result="known"} 2');
    expect(metrics).toContain('jwksd_groups_lookups_total{place="ldap",result="unavailable"} 1');
    expect(server.output()).toContain(`the LDAP directory`);
    expect(server.output()).not.toContain(dnOf('jane'));
  });
});
