// What the tests use of jsonwebtoken, which brings no types.
declare module 'jsonwebtoken' {
  export interface VerifyOptions {
    readonly algorithms: readonly string[];
    readonly clockTolerance?: number;
  }
  /** Throws when the token is not valid. */
  export const verify: (
    token: string,
    pem: string,
    options: VerifyOptions,
  ) => Readonly<Record<string, unknown>>;
  const jsonwebtoken: { verify: typeof verify };
  // oxlint-disable-next-line no-default-export -- the module is CommonJS
  export default jsonwebtoken;
}
