import { configSchema } from '../config/schema.ts';
import { configAsJson, printConfig } from '../config/print.ts';
import { isSet, type Command } from './command.ts';
import { configFlags, loadOrThrow } from './configuration.ts';

/** `jwksd config print`: what is in effect, and why. */
export const configPrint: Command = {
  name: 'config print',
  summary: 'prints the configuration in effect, with the origin of each value and secrets masked',
  options: { ...configFlags, json: { type: 'boolean', help: 'print it as JSON' } },
  example: 'JWKSD_SERVER__PORT=9000 jwksd config print',
  run: async (parsed, io) => {
    const loaded = await loadOrThrow(parsed, io);
    io.stdout.write(
      isSet(parsed, 'json') ? `${JSON.stringify(configAsJson(loaded), undefined, 2)}\n` : printConfig(loaded),
    );
    for (const warning of loaded.warnings) io.stderr.write(`warning: ${warning}\n`);
    return 0;
  },
};

/** `jwksd config schema`: the JSON Schema of the file, for editors and for CI. */
export const configSchemaCommand: Command = {
  name: 'config schema',
  summary: 'prints the JSON Schema of the configuration file',
  options: {},
  example: 'jwksd config schema > jwksd.schema.json',
  run: (_, io) => {
    io.stdout.write(`${JSON.stringify(configSchema(), undefined, 2)}\n`);
    return Promise.resolve(0);
  },
};
