import { stringify } from 'yaml';
import { property, typed } from './assign.ts';
import type { Problem } from './problem.ts';
import { documentNode, type SchemaNode } from './schema.ts';
import type { Assignment } from './tree.ts';

/** The flags of `serve` and `check` that say something about the configuration, as the command line gives them. */
export interface Flags {
  readonly config?: string | undefined;
  readonly keys?: string | undefined;
  readonly upstream?: readonly string[] | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly opsPort?: string | undefined;
  readonly logLevel?: string | undefined;
}

/** What the flags set, and what is wrong with them. */
export interface FromFlags {
  /** Of the flags that set one key each. */
  readonly settings: readonly Assignment[];
  /** Of `--keys` and `--upstream`, which describe sources and sets. */
  readonly services: readonly Assignment[];
  readonly problems: readonly Problem[];
}

/** Flags that set one key each. */
const simple = [
  ['host', '--host', ['server', 'host']],
  ['port', '--port', ['server', 'port']],
  ['opsPort', '--ops-port', ['ops', 'port']],
  ['logLevel', '--log-level', ['log', 'level']],
] as const;

const nodeAt = (path: readonly string[]): SchemaNode => {
  let node: SchemaNode = documentNode;
  for (const step of path) node = property(node, step) ?? {};
  return node;
};

interface Upstream {
  readonly name: string;
  /** The caller gave the name. */
  readonly named: boolean;
  readonly type: 'jwks' | 'oidc';
  readonly url: string;
}

const discovery = '/.well-known/openid-configuration';

const hostOf = (url: string): string => {
  const host = URL.canParse(url) ? new URL(url).hostname : '';
  return (
    host
      .replaceAll(/[^A-Za-z0-9.-]+/g, '-')
      .replaceAll(/^[.-]+|[.-]+$/g, '')
      .slice(0, 56) || 'upstream'
  );
};

const unique = (name: string, taken: ReadonlySet<string>): string => {
  let candidate = name;
  for (let count = 2; taken.has(candidate); count += 1) candidate = `${name}-${count}`;
  return candidate;
};

/** Reads `[NAME=]URL`: a discovery document's URL and `issuer:URL` mean an issuer, any other is a `jwks_uri`. */
const parseUpstream = (text: string, taken: ReadonlySet<string>): Upstream => {
  // A URL has a colon before any "=", a name has none.
  const [, given, rest = text] = /^([^:/?#=]*)=(.*)$/s.exec(text) ?? [];
  const issuer = rest.startsWith('issuer:') ? rest.slice('issuer:'.length) : undefined;
  const found = rest.endsWith(discovery) ? rest.slice(0, -discovery.length) : undefined;
  const url = issuer ?? found ?? rest;
  return {
    name: given ?? unique(hostOf(url), taken),
    named: given !== undefined,
    type: url === rest ? 'jwks' : 'oidc',
    url,
  };
};

const sourceOf = ({ type, url }: Upstream): Record<string, string> =>
  type === 'oidc' ? { type, issuer: url } : { type, url };

/** Several upstreams, or one with a name, get a set each; the first is the default set too. */
const setsOf = (upstreams: readonly Upstream[]): Record<string, object> => {
  const [first] = upstreams;
  if (first === undefined || (upstreams.length === 1 && !first.named)) return {};
  const sets: Record<string, object> = { default: { sources: [first.name] } };
  for (const { name } of upstreams) {
    sets[name] =
      name === 'default'
        ? { sources: [name], pem: { paths: ['/', '/certs', '/default'] } }
        : { sources: [name], pem: { paths: [`/${name}`] } };
  }
  return sets;
};

const bothRefused = (keys: string, upstreams: readonly Upstream[]): string => {
  const file = {
    sources: {
      keys: { type: 'files', path: keys },
      ...Object.fromEntries(upstreams.map((each) => [each.name, sourceOf(each)])),
    },
    sets: {
      default: { sources: ['keys'] },
      ...Object.fromEntries(
        upstreams.map(({ name }) => [name, { sources: [name], pem: { paths: [`/${name}`] } }]),
      ),
    },
  };
  return (
    'cannot be used together with --upstream: keys of different owners are never merged by default, because a ' +
    'client of the one would then trust the other as well (one set, one trust domain). Write which set has which ' +
    `keys into a file, and start with --config FILE:\n\n${stringify(file)}`
  );
};

const flat = (path: readonly string[], value: object, name: string): Assignment[] =>
  Object.entries(value).flatMap(([key, member]: [string, unknown]) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? flat([...path, key], member, name)
      : [{ path: [...path, key], value: member, origin: { kind: 'flag', name } as const }],
  );

/** Reads the flags as keys of the configuration. */
export const fromFlags = (flags: Flags): FromFlags => {
  const problems: Problem[] = [];
  const refuse = (flag: string, message: string): void => {
    problems.push({ path: flag, message });
  };
  const settings: Assignment[] = simple.flatMap(([key, name, path]) => {
    const text = flags[key];
    return text === undefined
      ? []
      : [{ path, value: typed(nodeAt(path), text), origin: { kind: 'flag', name } as const }];
  });

  const upstreams: Upstream[] = [];
  for (const text of flags.upstream ?? []) {
    const upstream = parseUpstream(text, new Set(upstreams.map(({ name }) => name)));
    if (upstreams.some(({ name }) => name === upstream.name)) {
      refuse(
        '--upstream',
        `names ${JSON.stringify(upstream.name)} twice; give each upstream a name of its own`,
      );
    } else if (upstreams.length > 0 && upstream.name === 'default') {
      refuse(
        '--upstream',
        'the first upstream is the default set; put default= first, or choose another name',
      );
    } else {
      upstreams.push(upstream);
    }
  }
  const services: Assignment[] = [];
  if (flags.keys !== undefined && upstreams.length > 0) {
    refuse('--keys', bothRefused(flags.keys, upstreams));
  } else if (flags.keys !== undefined) {
    services.push(...flat(['sources', 'keys'], { type: 'files', path: flags.keys }, '--keys'));
  } else {
    for (const upstream of upstreams) {
      services.push(...flat(['sources', upstream.name], sourceOf(upstream), '--upstream'));
    }
    services.push(...flat(['sets'], setsOf(upstreams), '--upstream'));
  }
  return { settings, services, problems };
};
