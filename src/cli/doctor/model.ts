import type { Outcome, Manner } from './ask.ts';
import type { Judgement, KeyVerdict, Note } from './judgement.ts';
import type { TokenSeen } from './token.ts';

/** What `--as` can name: a client, or one version of it. */
export const clientIds = [
  ...(['octoka', 'octoka@1.2', 'octoka@1.3'] as const),
  ...(['opencast', 'opencast@18', 'opencast@19'] as const),
  ...(['jitsi', 'jitsi@set', 'jitsi@pem', 'generic'] as const),
] as const;

/** One of {@link clientIds}. */
export type ClientId = (typeof clientIds)[number];

/** How a client's keys meet a token: pure, the signature apart. */
export interface TokenRules {
  /** Why the client refuses the token before it looks at any key. */
  refuse(token: TokenSeen): Note | undefined;
  /** The keys it tries, in its order, or why none. `all` are those too that it does not take. */
  choose(
    token: TokenSeen,
    keys: readonly KeyVerdict[],
    all: readonly KeyVerdict[],
  ): readonly KeyVerdict[] | Note;
  /** No key that was tried made the signature. */
  badSignature(token: TokenSeen): Note;
  /** What the client makes of the claims of a token whose signature is good. `now` in seconds. */
  claims(token: TokenSeen, now: number): readonly Note[];
}

/** One client in one version, asked at one URL: the pure half (`judge`, `token`) and the manner of asking. */
export interface ClientModel {
  /** As `--as` names it. */
  readonly id: ClientId;
  /** For people. */
  readonly title: string;
  readonly manner: Manner;
  /** The `kty` and curves it can use at all: a set without any of them is not meant for it. */
  readonly families: ReadonlySet<string>;
  /** Which keys it would take of this answer, and why not the others. */
  judge(outcome: Outcome, url: URL): Judgement;
  readonly token: TokenRules;
}
