import { JwksdError } from '../../errors.ts';
import { kidDigest } from '../../jwk/kid-digest.ts';
import type { ClientName } from './choices.ts';

/** What the text about a written pair names. */
export interface Written {
  /** As the user would type them. */
  readonly privateKey: string;
  readonly outputs: string;
  readonly alg: string;
  readonly kid: string;
}

/** A program that signs with the pair, or verifies with its public half: what it can use and where the keys go. */
export interface KeyClient {
  /** In the order of preference; the first is the default. */
  readonly algs: readonly string[];
  /** Why the others do not work. */
  readonly only: string;
  /** Why a particular one does not work, where there is more to say. */
  readonly refused?: Readonly<Record<string, string>>;
  /** Why it cannot read an encrypted private key; absent when that is for another program to read. */
  readonly plainOnly?: string;
  /** Whether the public half goes to Opencast, which wants one type of key in a set. */
  readonly inOpencast: boolean;
  /** What to paste where. */
  next(written: Written): string;
}

const publish = ({ outputs }: Written): string =>
  `  Publish the other half      jwksd serve --keys ${outputs}\n`;

const wantsPem =
  'its library wants the 64 raw bytes of the key there, and no PEM; take ES256, which all its partners read';

const moodle: KeyClient = {
  algs: ['ES256', 'ES384'],
  only: 'tool_opencast signs with ES256 or ES384',
  refused: { EdDSA: wantsPem, Ed25519: wantsPem },
  plainOnly: 'Moodle cannot read an encrypted private key',
  inOpencast: true,
  next: (written) =>
    'Moodle: Site administration, Plugins, Admin tools, Opencast API, JWT Configuration\n' +
    `  Private Key (full text)     the whole of ${written.privateKey}, dashed lines and line breaks included\n` +
    `  Signing algorithm           ${written.alg}\n` +
    publish(written) +
    '  Octoka and Opencast         get the URL of that JWK Set\n',
};

const opencast: KeyClient = {
  algs: ['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512'],
  only: 'Opencast verifies ES256, ES384, ES512, RS256, RS384 and RS512',
  inOpencast: true,
  next: (written) =>
    'Opencast: etc/security/mh_default_org.xml, bean jwtLoginHandler\n' +
    '  jwksUrl                     https://HOST/.well-known/jwks.json\n' +
    `  expectedAlgorithms          ${written.alg} must be in the list\n` +
    publish(written) +
    `  Whoever signs               gets ${written.privateKey}\n` +
    (['ES256', 'ES384'].includes(written.alg)
      ? ''
      : '  Octoka up to 1.2            cannot read it, and drops a set with RSA keys as a whole\n'),
};

const tobira: KeyClient = {
  algs: ['ES256', 'ES384'],
  only: 'Tobira and Opencast have ES256 and ES384 in common',
  plainOnly: 'Tobira cannot read an encrypted private key',
  inOpencast: true,
  next: (written) =>
    'Tobira: config.toml\n' +
    '  [auth.jwt], or [jwt] in older releases\n' +
    `  signing_algorithm           "${written.alg}"\n` +
    `  secret_key                  the path of ${written.privateKey}, readable for Tobira alone\n` +
    '  The other half              Tobira publishes itself, without a kid; jwksd may publish it too:\n' +
    publish(written),
};

const jitsi: KeyClient = {
  algs: ['RS256', 'RS384', 'RS512'],
  only: 'Prosody verifies the RS algorithms only',
  inOpencast: false,
  next: (written) =>
    'Jitsi: Prosody, or the environment of its container\n' +
    '  asap_key_server             "http://HOST:8080/certs"  (JWT_ASAP_KEYSERVER=http://jwksd:8080/certs)\n' +
    (written.alg === 'RS256' ? '' : `  signature_algorithm         "${written.alg}"\n`) +
    `  Whoever signs               ${written.privateKey}, alg ${written.alg}, and in the header the kid above\n` +
    `  Prosody then asks for       /certs/${kidDigest(written.kid)}.pem\n` +
    publish(written),
};

/** What is known of each client. */
export const clients: Readonly<Record<ClientName, KeyClient>> = { moodle, opencast, tobira, jitsi };

/** Refuses what the client could not use. @throws {JwksdError} `usage`, with the reason. */
export const checkFor = (name: string, client: KeyClient, alg: string, encrypt: boolean): void => {
  if (!client.algs.includes(alg)) {
    const why = client.refused?.[alg] ?? `${client.only}; choose one of them`;
    throw new JwksdError('usage', `--for ${name} does not go with --alg ${alg}: ${why}`);
  }
  if (encrypt && client.plainOnly !== undefined) {
    throw new JwksdError('usage', `--for ${name} does not go with --encrypt: ${client.plainOnly}`);
  }
};
