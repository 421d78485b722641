import { JwksdError } from '../../errors.ts';
import type { Complete } from '../complete.ts';
import type { AccessTokenConfig, RegistrationConfig } from '../config.ts';
import { exact, milliseconds, withoutSlash } from './units.ts';

/** Milliseconds of the windows a rate names. */
const windows: Readonly<Record<string, number>> = { s: 1000, min: 60_000, h: 3_600_000 };

const rate = (text: string): { max: number; window: number } => {
  const [max = '', unit = ''] = text.split('/');
  return { max: Number(max), window: exact(windows[unit]) };
};

/** `/oidc/jwks/nonce` beside `/oidc/jwks/clients`. */
export const noncePathOf = (path: string): string => path.replace(/[^/]*$/, 'nonce');

/** The section `registration` in the units the program works with. */
export const registrationConfig = ({ registration, server }: Complete): RegistrationConfig | null => {
  if (registration === null) return null;
  const { jwt, introspection } = registration.accessToken;
  const accessToken: AccessTokenConfig | undefined =
    jwt === null
      ? introspection === null
        ? undefined
        : { type: 'introspection', ...introspection }
      : { type: 'jwt', ...jwt };
  if (accessToken === undefined) throw new JwksdError('internal', 'registration without an access token');
  return {
    ...registration,
    noncePath: noncePathOf(registration.path),
    accessToken,
    audience: registration.audience ?? (server.publicUrl === null ? null : withoutSlash(server.publicUrl)),
    keyTtl: milliseconds(registration.keyTtl),
    rateLimit: rate(registration.rateLimit),
  };
};
