import { audienceClaim, unlessEmpty, type TokenProfile, type TokenRequest } from './profile.ts';

/** Opencast's claim for single events: `{"e:<id>": ["read"]}`. */
const eventsClaim = ({ events }: TokenRequest): Readonly<Record<string, readonly string[]>> | undefined =>
  events.size === 0
    ? undefined
    : Object.fromEntries([...events].map(([id, actions]) => [`e:${id}`, actions] as const));

/** Moodle names a role after the course it is for. */
const rolesClaim = ({ groups, course, instructor }: TokenRequest): readonly string[] | undefined =>
  unlessEmpty(
    course === undefined ? groups : [`${course}_${instructor ? 'Instructor' : 'Learner'}`, ...groups],
  );

const nothingGranted =
  'the token would allow nothing: give roles (GROUP, --course) or an event (--event ID:read)';

/** What Opencast and Octoka read: who it is for, with roles and single events. */
export const opencast: TokenProfile = {
  name: 'opencast',
  ttl: 300,
  kid: false,
  reads: ['event', 'course'],
  never: [],
  claims: (request, exp) => {
    const [oc, roles] = [eventsClaim(request), rolesClaim(request)];
    if (oc === undefined && roles === undefined) return nothingGranted;
    return [
      ['exp', exp],
      ['iss', request.issuer],
      ['aud', audienceClaim(request.audience)],
      ['sub', request.subject],
      ['roles', roles],
      ['oc', oc],
    ];
  },
};

/** What Moodle's tool_opencast signs: ES256, no key ID, no issuer, 15 seconds. */
export const moodle: TokenProfile = {
  name: 'moodle',
  ttl: 15,
  algorithms: ['ES256', 'ES384'],
  kid: false,
  reads: ['event', 'course'],
  never: ['kid', 'iat', 'iss', 'aud'],
  claims: (request, exp) => {
    const [oc, roles] = [eventsClaim(request), rolesClaim(request)];
    if (oc === undefined && roles === undefined) return nothingGranted;
    return [
      ['exp', exp],
      ['sub', request.subject],
      ['roles', roles],
      ['oc', oc],
    ];
  },
};

/** What Tobira signs for Opencast: short-lived, with the user's name and what may be done. */
export const tobira: TokenProfile = {
  name: 'tobira',
  ttl: 30,
  kid: false,
  reads: ['event', 'course'],
  never: [],
  claims: (request, exp) => {
    if (request.subject === undefined) return 'a Tobira token is for a user: give SUBJECT';
    const [oc, roles] = [eventsClaim(request), rolesClaim(request)];
    if (oc === undefined && roles === undefined) return nothingGranted;
    return [
      ['exp', exp],
      ['iss', request.issuer],
      ['aud', audienceClaim(request.audience)],
      ['sub', request.subject],
      ['oc', oc],
      ['roles', roles],
    ];
  },
};
