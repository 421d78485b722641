import pino from 'pino';
import type { FastifyInstance } from 'fastify';
import { validationFeature } from '../../src/http/routes/validation/feature.ts';
import { Validator } from '../../src/tokens/validation/validator.ts';
import { ManualClock } from '../fakes/clock.ts';
import { FakeSource } from '../fakes/source.ts';
import { signer } from '../tokens/signer.ts';
import type { AppOptions } from '../../src/http/app.ts';
import { listen, rsaKey, service } from './service.ts';

/** A listening server that validates the tokens of one issuer, which the test signs. */
export interface Validating extends AsyncDisposable {
  readonly port: number;
  readonly issuer: string;
  /** Those who may introspect, and their secret. */
  readonly client: { readonly id: string; readonly secret: string };
  /** Warnings and errors so far. */
  readonly complaints: readonly string[];
  readonly app: FastifyInstance;
  /** A token of that issuer for jane, with these claims beside. */
  token(claims?: object): string;
}

export const startValidating = async (options: Partial<AppOptions> = {}): Promise<Validating> => {
  const idp = signer('ES256', 'idp');
  const clock = new ManualClock(Date.parse('2026-11-22T12:00:00Z'));
  const issuer = 'https://sso.example';
  const client = { id: 'gate:way', secret: 'pass word+%' };
  const complaints: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void complaints.push(line) });
  const validator = new Validator({
    clock,
    issuers: [
      {
        name: 'main',
        issuer,
        keys: () => [idp.key],
        demand: async () => await Promise.resolve(),
        algorithms: undefined,
        audience: [],
        clockSkew: 0,
        allowNoExp: false,
      },
    ],
    groups: { claim: 'groups', order: ['claim'] },
  });
  const secretOf = async (id: string): Promise<string | undefined> =>
    await Promise.resolve(id === client.id ? client.secret : undefined);
  const { app } = await service({
    sources: [new FakeSource('main', [rsaKey('a')])],
    app: { ...options, log, features: [validationFeature({ validator, log, secretOf })] },
  });
  const port = await listen(app);
  return {
    port,
    issuer,
    client,
    complaints,
    app,
    token: (claims = {}) => idp.token({ iss: issuer, sub: 'jane', exp: clock.wall() / 1000 + 60, ...claims }),
    [Symbol.asyncDispose]: async () => await app.close(),
  };
};
