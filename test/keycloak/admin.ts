/** What the test needs of Keycloak's admin API, for one realm. */
export interface Realm {
  readonly issuer: string;
  /** A token for the service account of the realm's client. */
  mint(): Promise<string>;
  /** Adds an RSA key that signs from now on; resolves with its component's id. */
  addKey(name: string, priority: number): Promise<string>;
  /** Id of the component that made the key `kid`. */
  providerOf(kid: string): Promise<string>;
  /** A passive key is published and signs no more. */
  makePassive(provider: string): Promise<void>;
  remove(provider: string): Promise<void>;
}

interface Component {
  readonly id: string;
  readonly config: Record<string, string[]>;
}

const client = { clientId: 'verifier-test', secret: 'not-a-secret' };

const tokenFrom = async (url: string, form: Record<string, string>): Promise<string> => {
  const answer = await fetch(url, { method: 'POST', body: new URLSearchParams(form) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { access_token: string }).access_token;
};

/** Creates a realm with one confidential client. */
export const createRealm = async (url: string, name: string): Promise<Realm> => {
  const admin = async (method: string, path: string, body?: unknown): Promise<Response> => {
    // Admin tokens live one minute, so each call has its own.
    const token = await tokenFrom(`${url}/realms/master/protocol/openid-connect/token`, {
      grant_type: 'password',
      client_id: 'admin-cli',
      username: 'admin',
      password: 'admin',
    });
    const answer = await fetch(`${url}/admin/realms${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  const read = async <T>(path: string): Promise<T> => (await (await admin('GET', path)).json()) as T;

  await admin('POST', '', { realm: name, enabled: true, accessTokenLifespan: 3600 });
  await admin('POST', `/${name}/clients`, { ...client, enabled: true, serviceAccountsEnabled: true });
  const { id: realmId } = await read<{ id: string }>(`/${name}`);
  const issuer = `${url}/realms/${name}`;
  return {
    issuer,
    mint: async () =>
      await tokenFrom(`${issuer}/protocol/openid-connect/token`, {
        grant_type: 'client_credentials',
        client_id: client.clientId,
        client_secret: client.secret,
      }),
    addKey: async (keyName, priority) => {
      const answer = await admin('POST', `/${name}/components`, {
        name: keyName,
        providerId: 'rsa-generated',
        providerType: 'org.keycloak.keys.KeyProvider',
        parentId: realmId,
        config: { priority: [String(priority)], enabled: ['true'], active: ['true'], algorithm: ['RS256'] },
      });
      return answer.headers.get('location')?.split('/').at(-1) ?? '';
    },
    providerOf: async (kid) => {
      const { keys } = await read<{ keys: { kid: string; providerId: string }[] }>(`/${name}/keys`);
      const found = keys.find((key) => key.kid === kid);
      if (found === undefined) throw new Error(`no key ${kid}`);
      return found.providerId;
    },
    makePassive: async (provider) => {
      const component = await read<Component>(`/${name}/components/${provider}`);
      const config = { ...component.config, active: ['false'] };
      await admin('PUT', `/${name}/components/${provider}`, { ...component, config });
    },
    remove: async (provider) => {
      await admin('DELETE', `/${name}/components/${provider}`);
    },
  };
};
