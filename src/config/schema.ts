import { Type, type Static } from 'typebox';
import { Check } from 'typebox/value';
import { processSections } from './schema/server.ts';
import { RegistrationSchema } from './schema/registration.ts';
import { SetsSchema } from './schema/sets.ts';
import { SourcesSchema } from './schema/sources.ts';
import { ValidationSchema } from './schema/validation.ts';

/**
 * The file with every default filled in.
 *
 * One schema gives the type, the validation, the names of environment variables and the published JSON Schema; in the
 * last a key with a default may be left out.
 */
const DocumentSchema = Type.Object(
  {
    ...processSections,
    sources: SourcesSchema,
    sets: SetsSchema,
    registration: RegistrationSchema,
    validation: ValidationSchema,
  },
  { additionalProperties: false },
);

/** The file with every default filled in, durations and sizes as written. */
export type Document = Static<typeof DocumentSchema>;

/** Whether a value is the whole document, by the schema alone. */
export const isDocument = (value: unknown): value is Document => Check(DocumentSchema, value);

/** The members of JSON Schema 2020-12 this folder's schemas use. */
export interface SchemaNode {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly writeOnly?: boolean;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
}

/** The document's schema as plain JSON Schema nodes, for walking. */
export const documentNode: SchemaNode = DocumentSchema;

/** The alternatives of a node; a node without `anyOf` is its own only one. */
export const variants = (node: SchemaNode): readonly SchemaNode[] => node.anyOf ?? [node];

/** The name pattern and the schema of the values of a map such as `sources`; undefined when the node is none. */
export const mapOf = (node: SchemaNode): { pattern: RegExp; values: SchemaNode } | undefined => {
  const [entry] = Object.entries(node.patternProperties ?? {});
  return entry === undefined ? undefined : { pattern: new RegExp(entry[0]), values: entry[1] };
};

/** Lets every key that has a default be left out. */
const published = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(published);
  if (typeof value !== 'object' || value === null) return value;
  const node = value as SchemaNode;
  const copy = Object.fromEntries(Object.entries(value).map(([key, member]) => [key, published(member)]));
  if (node.required === undefined || node.properties === undefined) return copy;
  const required = node.required.filter((key) => node.properties?.[key]?.default === undefined);
  const { required: _all, ...rest } = copy;
  return required.length === 0 ? rest : { ...rest, required };
};

/** The JSON Schema 2020-12 of the file: what `jwksd config schema` prints and config/jwksd.schema.json holds. */
export const configSchema = (): object => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:jwksd:configuration:1',
  title: 'jwksd configuration',
  description: 'One YAML file; see docs/configuration.md. Durations and sizes are strings with a unit.',
  ...(published(JSON.parse(JSON.stringify(DocumentSchema))) as object),
});
