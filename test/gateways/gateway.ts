import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import { childEnv, eventually, root, startJwksd, temporaryDirectory, type Running } from '../fakes/jwksd.ts';
import { signer } from '../tokens/signer.ts';

export const issuer = 'https://sso.example.org/realms/main';
const idp = signer('ES256', 'idp');

/** A token for jane, with these claims beside. */
export const token = (claims: object = {}): string =>
  idp.token({ iss: issuer, sub: 'jane', exp: Math.floor(Date.now() / 1000) + 60, ...claims });

/** jwksd as it runs, with one issuer, whose tokens are those of {@link token}. */
export const startValidator = async (directory: string): Promise<Running> => {
  await writeFile(path.join(directory, 'keys.json'), JSON.stringify({ keys: [idp.publicJwk] }));
  const config = path.join(directory, 'jwksd.yaml');
  await writeFile(
    config,
    `sources: { sso: { type: files, path: keys.json } }
sets: { sso: { sources: [sso] } }
validation: { issuers: { main: { issuer: "${issuer}", set: sso } } }
`,
  );
  return await startJwksd(['--config', config], { cwd: directory });
};

/** What the app behind a gateway was asked. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly bytes: number;
}

/** An app that believes its gateway: it answers with what it was asked, and speaks to whoever upgrades. */
export const startApp = async (): Promise<{ port: number } & AsyncDisposable> => {
  const server = http.createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    let bytes = 0;
    request.on('data', (chunk: Buffer) => (bytes += chunk.byteLength));
    request.on('end', () => response.end(JSON.stringify({ method, url, headers, bytes } satisfies Seen)));
  });
  server.on('upgrade', (request, socket) => {
    socket.on('error', () => undefined);
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
    socket.write(`hello ${String(request.headers['x-auth-subject'])}`);
    socket.pipe(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

/** A block of docs/validation.md, by its heading and its language. */
export const documented = async (heading: string, language: string): Promise<string> => {
  const page = await readFile(path.join(root, 'docs/validation.md'), 'utf8');
  const section = page.split(/^## /mu).find((each) => each.startsWith(`${heading}\n`)) ?? '';
  const [, block] = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'mu').exec(section) ?? [];
  if (block === undefined) throw new Error(`docs/validation.md has no ${language} below ${heading}`);
  return block;
};

/** The ports of the page, and those of a test. */
export interface Ports {
  readonly gateway: number;
  readonly jwksd: number;
  readonly app: number;
}

/** The block with the ports of a test in the place of those on the page; each of them must be there. */
export const withPorts = (block: string, { gateway, jwksd, app }: Ports): string =>
  [
    ['8000', gateway],
    ['8080', jwksd],
    ['3000', app],
  ].reduce((text, [documentedPort, port]) => {
    const pattern = new RegExp(`\\b${documentedPort}\\b`, 'gu');
    if (!pattern.test(text)) throw new Error(`the block does not name the port ${documentedPort}`);
    return text.replaceAll(pattern, String(port));
  }, block);

const freePort = async (): Promise<number> => {
  const server = net.createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};

/** A gateway program and how it is started. */
export interface Program {
  /** The block of the page. */
  readonly block: { readonly heading: string; readonly language: string };
  /** Writes what it needs into the directory and says how to call it; `block` has the ports of the test. */
  readonly prepare: (
    block: string,
    directory: string,
  ) => Promise<{ command: string; args: readonly string[] }>;
}

/** A gateway in front of the app, with jwksd beside it. */
export interface Gateway extends AsyncDisposable {
  readonly port: number;
  readonly jwksd: Running;
}

export const startGateway = async ({ block, prepare }: Program): Promise<Gateway> => {
  const stack = new AsyncDisposableStackLike();
  try {
    const directory = stack.use(await temporaryDirectory());
    const jwksd = stack.use(await startValidator(directory.path));
    const app = stack.use(await startApp());
    const port = await freePort();
    const text = withPorts(await documented(block.heading, block.language), {
      gateway: port,
      jwksd: jwksd.port,
      app: app.port,
    });
    const { command, args } = await prepare(text, directory.path);
    const child = spawn(command, args, {
      cwd: directory.path,
      env: childEnv({ HOME: directory.path }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = once(child, 'close');
    stack.use({
      [Symbol.asyncDispose]: async () => {
        if (child.exitCode === null) child.kill('SIGTERM');
        await ended;
      },
    });
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`${command} ended:\n${output}`);
      return (await fetch(`http://127.0.0.1:${port}/`)).status === 401 ? true : undefined;
    }, 20_000).catch((error: unknown) => {
      throw new Error(`${command} does not listen:\n${output}`, { cause: error });
    });
    return { port, jwksd, [Symbol.asyncDispose]: async () => await stack.dispose() };
  } catch (error) {
    await stack.dispose();
    throw error;
  }
};

/** `AsyncDisposableStack`, which Node 20 lacks. */
class AsyncDisposableStackLike {
  readonly #parts: AsyncDisposable[] = [];

  use<Part extends AsyncDisposable>(part: Part): Part {
    this.#parts.unshift(part);
    return part;
  }

  async dispose(): Promise<void> {
    for (const part of this.#parts) await part[Symbol.asyncDispose]();
  }
}
