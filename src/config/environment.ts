import path from 'node:path';
import { didYouMean } from './near-miss.ts';
import { typed } from './assign.ts';
import { knownNames, prefix, resolveName } from './env-names.ts';
import type { Path, Problem } from './problem.ts';
import { problemAt } from './problem.ts';
import { readText } from './read.ts';
import { valueAt, type Assignment, type Tree } from './tree.ts';

/** Largest file a variable may name: a secret, not a document. */
const secretLimit = 64 * 1024;

/** The variable that names the file; every other one is a key of it. */
export const configVariable = `${prefix}CONFIG`;

/**
 * Whether Kubernetes or Docker sets this variable: each pod beside a service called jwksd has them.
 *
 * https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
const isServiceLink = (name: string, value: string): boolean =>
  /^JWKSD(?:_[A-Z0-9]+)*_SERVICE_(?:HOST|PORT)(?:_[A-Z0-9]+)*$/.test(name) ||
  /^JWKSD(?:_[A-Z0-9]+)*_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/.test(name) ||
  (/^JWKSD(?:_[A-Z0-9]+)*_PORT$/.test(name) && /^(?:tcp|udp|sctp):\/\//.test(value));

/** What the environment sets, in the order of the names, and what is wrong with it. */
export interface FromEnvironment {
  readonly assignments: readonly Assignment[];
  readonly problems: readonly Problem[];
}

/** The key of a source that tells its type, so that one variable can describe a source. */
const typeOf: Readonly<Record<string, string>> = { path: 'files', url: 'jwks', issuer: 'oidc' };

/** The types of sources that variables describe and nobody gives a type. */
const inferredTypes = (assignments: readonly Assignment[], tree: Tree): Assignment[] => {
  const inferred = new Map<string, Assignment>();
  for (const { path: at, origin } of assignments) {
    const [section, name, key] = at;
    if (section !== 'sources' || typeof name !== 'string' || at.length !== 3) continue;
    const type = typeOf[String(key)];
    const typePath = [section, name, 'type'];
    const given =
      valueAt(tree, typePath) !== undefined ||
      assignments.some((other) => JSON.stringify(other.path) === JSON.stringify(typePath));
    if (type !== undefined && !given && !inferred.has(name))
      inferred.set(name, { path: typePath, value: type, origin });
  }
  return [...inferred.values()];
};

/** Variables of the product whose ways `validation.okera` has, by the key they set. */
const okeraVariables: readonly (readonly [variable: string, key: string])[] = [
  ['JWT_PUBLIC_KEY', 'publicKeys'],
  ['JWT_AUTHENTICATION_SERVER_URL', 'authenticationServerUrl'],
  ['JWT_ALGORITHM', 'algorithms'],
  ['SYSTEM_TOKEN', 'systemToken'],
];

/** What those variables set. The first two turn `validation.okera` on; the others count only where it is. */
const okeraAssignments = (env: Readonly<Record<string, string | undefined>>, tree: Tree): Assignment[] => {
  const present = okeraVariables.filter(([name]) => (env[name] ?? '') !== '');
  const on =
    valueAt(tree, ['validation', 'okera']) instanceof Map ||
    present.some(([, key]) => key === 'publicKeys' || key === 'authenticationServerUrl');
  if (!on) return [];
  return present.map(([name, key]) => {
    const at = ['validation', 'okera', key];
    const texts = (env[name] ?? '').split(',').map((item) => item.trim());
    const isList = key === 'publicKeys' || key === 'algorithms';
    const value = isList ? texts.filter((item) => item !== '') : env[name];
    return { path: at, value, origin: { kind: 'env', name } };
  });
};

/**
 * Reads every `JWKSD_` variable as a key of the configuration; one that is empty counts as not set.
 *
 * `tree` has the names of sources and sets that variables may mean. `cwd` is the base of the files `…_FILE` names.
 */
export const fromEnvironment = async (
  env: Readonly<Record<string, string | undefined>>,
  tree: Tree,
  cwd: string,
): Promise<FromEnvironment> => {
  const assignments: Assignment[] = okeraAssignments(env, tree);
  const problems: Problem[] = [];
  const givenBy = new Map<string, string>();
  const variables = Object.entries(env)
    .filter(([name]) => name.startsWith(prefix) && name !== configVariable)
    .sort(([left], [right]) => (left < right ? -1 : 1));

  for (const [name, text] of variables) {
    if (text === undefined || text === '' || isServiceLink(name, text)) continue;
    const origin = { kind: 'env', name } as const;
    const refuse = (at: Path, message: string): void => {
      problems.push(problemAt(at, message, origin));
    };
    const target = resolveName(name, tree);
    if (target === undefined) {
      refuse(
        [],
        `is not a key of the configuration.${didYouMean(name, [...knownNames(tree), configVariable])}`,
      );
      continue;
    }
    if ('failure' in target) {
      refuse([], target.failure);
      continue;
    }
    const place = JSON.stringify(target.path);
    const other = givenBy.get(place);
    if (other !== undefined) {
      refuse(target.path, `is given twice, by ${other} and by ${name}; keep one`);
      continue;
    }
    givenBy.set(place, name);
    const read = target.fromFile ? await readText(path.resolve(cwd, text), secretLimit) : { text };
    if ('failure' in read) {
      refuse(target.path, `the file ${name} names cannot be used: ${read.failure}`);
      continue;
    }
    const content = target.fromFile ? read.text.replace(/\r?\n$/, '') : read.text;
    assignments.push({ path: target.path, value: typed(target.node, content), origin });
  }
  return { assignments: [...assignments, ...inferredTypes(assignments, tree)], problems };
};
