import { JwksdError } from '../errors.ts';

/** The refusal of a store that is full, broken or out of reach. `detail` is for operators: it goes to the log only. */
export const unavailable = (detail: string, cause?: unknown): JwksdError =>
  new JwksdError('store_unavailable', detail, cause === undefined ? {} : { cause });
