import { jitsi } from './jitsi.ts';
import { okera } from './okera.ts';
import { moodle, opencast, tobira } from './opencast.ts';
import type { TokenProfile } from './profile.ts';

/** Every token profile by its name. */
export const tokenProfiles: ReadonlyMap<string, TokenProfile> = new Map(
  [okera, moodle, opencast, tobira, jitsi].map((profile) => [profile.name, profile]),
);
