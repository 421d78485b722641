import type { Complete } from '../complete.ts';
import { parseDuration } from '../durations.ts';
import { didYouMean } from '../near-miss.ts';
import type { Report } from '../validate.ts';
import { checkDatabaseUrl, checkSecretUrl } from './urls.ts';

/** Judges the section `registration`; `known` are the names of all sources the file has. */
export const checkRegistration = (
  { registration, server }: Complete,
  known: readonly string[],
  report: Report,
  warn: (text: string) => void,
): void => {
  if (registration === null) return;
  const at = ['registration'];
  const { jwt, introspection } = registration.accessToken;
  if ((jwt === null) === (introspection === null)) {
    report(
      [...at, 'accessToken'],
      `must have exactly one of jwt and introspection, not ${jwt === null ? 'none' : 'both'}`,
    );
  }
  if (jwt !== null && !known.includes(jwt.source)) {
    report(
      [...at, 'accessToken', 'jwt', 'source'],
      `names the source ${JSON.stringify(jwt.source.slice(0, 80))}, which does not exist.${didYouMean(jwt.source, known)}`,
    );
  }
  if (introspection !== null)
    checkSecretUrl([...at, 'accessToken', 'introspection', 'url'], introspection.url, report);
  if ((parseDuration(registration.keyTtl) ?? 0) < 60_000) report([...at, 'keyTtl'], 'must be at least 1m');
  if (server.publicUrl === null && registration.proof === 'strict') {
    report(
      ['server', 'publicUrl'],
      'must be given with registration.proof: strict, because proofs name the URL they are for',
    );
  }
  const { store } = registration;
  if (store.type === 'postgres') checkDatabaseUrl([...at, 'store', 'url'], store.url, report);
  if (store.type === 'memory') {
    warn('registration.store.type is memory: registered keys are gone when the process ends');
  }
  if (registration.proof === 'cas') {
    warn(
      'registration.proof is cas: a proof can be used again by whoever sees it; strict binds it to its client',
    );
  }
};
