import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import { eventually, temporaryDirectory } from '../fakes/jwksd.ts';
import { FakeAuthority } from '../fakes/tls.ts';
import { runProgram } from '../tools/programs.ts';

const suffix = 'dc=example,dc=org';

/** Whose password is `password`. */
export const reader = `cn=reader,${suffix}`;
export const password = 'a pass word, not "simple"';

/** A real OpenLDAP with the entries of a test, plain and with TLS. */
export interface Directory extends AsyncDisposable {
  /** `ldap://127.0.0.1:PORT`; also StartTLS. */
  readonly url: string;
  readonly ldaps: string;
  readonly base: string;
  /** PEM file of the authority that issued its certificate. */
  readonly caFile: string;
  /** PEM file of an authority that did not. */
  readonly otherCaFile: string;
  readonly passwordFile: string;
  readonly path: string;
}

/** Why there is none; empty where there is. */
export const noSlapd = runProgram('/usr/sbin/slapd', ['-VV']).stderr.includes('OpenLDAP')
  ? ''
  : ' (skipped: slapd cannot be had here; Debian has it in the package slapd)';

const freePort = async (): Promise<number> => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => void server.close(resolve));
  return port;
};

/** One value in LDIF (RFC 2849), whatever characters it has. */
const line = (name: string, value: string): string => `${name}:: ${Buffer.from(value).toString('base64')}\n`;

/** An attribute value in a DN (RFC 4514 §2.4). */
export const inDn = (value: string): string =>
  value.replaceAll(/[,+"\\<>;=#]/gu, (character) => `\\${character}`);

export const dnOf = (user: string): string => `uid=${inDn(user)},ou=people,${suffix}`;

const entry = (dn: string, attributes: readonly (readonly [string, string])[]): string =>
  `${line('dn', dn)}${attributes.map(([name, value]) => line(name, value)).join('')}\n`;

/** Starts a directory with these users, and groups by name with their members. */
export const startDirectory = async (
  users: readonly string[],
  groups: Readonly<Record<string, readonly string[]>>,
  { anonymous = 'none' }: { readonly anonymous?: 'none' | 'read' } = {},
): Promise<Directory> => {
  const directory = await temporaryDirectory();
  const at = (name: string): string => path.join(directory.path, name);
  const authority = new FakeAuthority();
  const { key, cert } = authority.issue();
  await mkdir(at('db'));
  await writeFile(at('ca.pem'), authority.cert);
  await writeFile(at('other-ca.pem'), new FakeAuthority('somebody else').cert);
  await writeFile(at('key.pem'), key);
  await writeFile(at('cert.pem'), cert);
  await writeFile(at('password'), `${password}\n`);
  await writeFile(
    at('slapd.conf'),
    `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${at('pid')}
TLSCertificateFile ${at('cert.pem')}
TLSCertificateKeyFile ${at('key.pem')}
sizelimit size.soft=500 size.hard=500 size.prtotal=unlimited
database mdb
suffix "${suffix}"
rootdn "cn=admin,${suffix}"
directory ${at('db')}
maxsize 268435456
index objectClass,uid,member eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="${reader}" read by anonymous ${anonymous} by * none
`,
  );
  const ldif = [
    entry(suffix, [
      ['objectClass', 'dcObject'],
      ['objectClass', 'organization'],
      ['o', 'example'],
      ['dc', 'example'],
    ]),
    entry(reader, [
      ['objectClass', 'person'],
      ['cn', 'reader'],
      ['sn', 'reader'],
      ['userPassword', password],
    ]),
    ...['people', 'groups'].map((ou) =>
      entry(`ou=${ou},${suffix}`, [
        ['objectClass', 'organizationalUnit'],
        ['ou', ou],
      ]),
    ),
    // A subtree that lives in another directory: what is below it is answered with a referral.
    entry(`ou=elsewhere,${suffix}`, [
      ['objectClass', 'referral'],
      ['objectClass', 'extensibleObject'],
      ['ou', 'elsewhere'],
      ['ref', 'ldap://127.0.0.1:1/ou=elsewhere,dc=example,dc=net'],
    ]),
    ...users.map((user) =>
      entry(dnOf(user), [
        ['objectClass', 'inetOrgPerson'],
        ['uid', user],
        ['cn', user],
        ['sn', user],
      ]),
    ),
    ...Object.entries(groups).map(([name, members]) =>
      entry(`cn=${inDn(name)},ou=groups,${suffix}`, [
        ['objectClass', 'groupOfNames'],
        ['cn', name],
        ...members.map((member) => ['member', dnOf(member)] as const),
      ]),
    ),
  ];
  await writeFile(at('data.ldif'), ldif.join(''));
  const added = runProgram('/usr/sbin/slapadd', ['-q', '-f', at('slapd.conf'), '-l', at('data.ldif')]);
  if (added.code !== 0) throw new Error(`slapadd: ${added.stderr}`);
  const url = `ldap://127.0.0.1:${await freePort()}`;
  const ldaps = `ldaps://127.0.0.1:${await freePort()}`;
  const slapd = spawn('/usr/sbin/slapd', ['-d', '0', '-h', `${url} ${ldaps}`, '-f', at('slapd.conf')], {
    stdio: 'ignore',
  });
  const { port } = new URL(ldaps);
  await eventually(
    async () =>
      await new Promise<true | undefined>((resolve) => {
        const socket = net.connect(Number(port), '127.0.0.1', () => {
          socket.destroy();
          resolve(true);
        });
        socket.once('error', () => resolve(undefined));
      }),
  );
  return {
    url,
    ldaps,
    base: suffix,
    caFile: at('ca.pem'),
    otherCaFile: at('other-ca.pem'),
    passwordFile: at('password'),
    path: directory.path,
    [Symbol.asyncDispose]: async () => {
      slapd.kill('SIGTERM');
      if (slapd.exitCode === null && slapd.signalCode === null) await once(slapd, 'exit');
      await directory[Symbol.asyncDispose]();
    },
  };
};
