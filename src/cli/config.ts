import { configSchema } from '../config/schema.ts';
import { configAsJson, printConfig } from '../config/print.ts';
import { isSet, type Io, type Parsed } from './command.ts';
import { loadOrThrow } from './configuration.ts';
import { printable } from './printable.ts';

/** Runs `jwksd config print`: what is in effect, and why. */
export const printConfiguration = async (parsed: Parsed, io: Io): Promise<number> => {
  const loaded = await loadOrThrow(parsed, io);
  io.stdout.write(isSet(parsed, 'json') ? `${printable(configAsJson(loaded))}\n` : printConfig(loaded));
  for (const warning of loaded.warnings) io.stderr.write(`warning: ${warning}\n`);
  return 0;
};

/** Runs `jwksd config schema`: the JSON Schema of the file, for editors and for CI. */
export const printSchema = (io: Io): number => {
  io.stdout.write(`${printable(configSchema())}\n`);
  return 0;
};
