import type { Command } from './command.ts';
import { doctorCommand } from './doctor/table.ts';
import { jwksCommands } from './jwks/table.ts';
import { keysCommands } from './keys/table.ts';
import { configCommands, serverCommands } from './server-table.ts';
import { tokensCommands } from './tokens/table.ts';
import { shellCommands } from './shell/table.ts';

/** Every command, in the order the help lists them. Only tables are imported: a handler is loaded when it runs. */
export const commands: readonly Command[] = [
  ...serverCommands,
  doctorCommand,
  ...keysCommands,
  ...jwksCommands,
  ...tokensCommands,
  ...configCommands,
  ...shellCommands(() => commands),
];
