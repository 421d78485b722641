import { Type, type TSchema } from 'typebox';
import { durationPattern, sizePattern } from '../durations.ts';

/** Names of sets and sources: they become URL segments, labels and file names, and never a member of Object.prototype. */
export const namePattern =
  '^(?!(?:__proto__|__defineGetter__|__defineSetter__|__lookupGetter__|__lookupSetter__|constructor|' +
  'hasOwnProperty|isPrototypeOf|propertyIsEnumerable|prototype|toLocaleString|toString|valueOf)$)' +
  '[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$';

/** A duration such as `5m`. The title is what messages call it. */
export const duration = (description: string, value: string) =>
  Type.String({
    title: 'duration',
    description,
    pattern: durationPattern,
    examples: ['30s', '5m', '24h'],
    default: value,
  });

/** A size such as `1MiB`. */
export const size = (description: string, value: string) =>
  Type.String({
    title: 'size',
    description,
    pattern: sizePattern,
    examples: ['16KiB', '1MiB'],
    default: value,
  });

/** A switch. */
export const flag = (description: string, value: boolean) => Type.Boolean({ description, default: value });

/** A TCP port; 0 takes any free one. */
export const port = (description: string, value: number) =>
  Type.Integer({ title: 'port', description, minimum: 0, maximum: 65_535, default: value });

/** A host name or an address to listen on. */
export const host = (description: string, value: string) =>
  Type.String({
    title: 'host name or IP address',
    description,
    pattern: '^[A-Za-z0-9._:%-]{1,255}$',
    examples: ['127.0.0.1', '::'],
    default: value,
  });

/** A path of the file system. */
export const filePath = (description: string, options: { default?: string } = {}) =>
  Type.String({
    title: 'file path',
    description,
    pattern: String.raw`^[^\u0000]{1,4096}$`,
    ...options,
  });

/** An absolute http or https URL. What may be in it is judged later, where the reason can be told. */
export const url = (description: string) =>
  Type.String({
    title: 'URL',
    description,
    pattern: String.raw`^https?://[^\s]+$`,
    examples: ['https://sso.example.org/certs'],
  });

/** A path of the public listener. What it must not contain or meet is judged later, where the reason can be told. */
export const urlPath = (description: string, options: { default?: string } = {}) =>
  Type.String({ title: 'path such as /keys', description, minLength: 1, maxLength: 200, ...options });

/** One of a few words. */
export const choice = <const Values extends string[]>(
  description: string,
  values: [...Values],
  value: Values[number],
) => Type.Enum(values, { description, default: value });

/** Null, the default, or a value. */
export const nullable = <Schema extends TSchema>(description: string, schema: Schema) =>
  Type.Union([schema, Type.Null()], { description, default: null });
