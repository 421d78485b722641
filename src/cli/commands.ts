import { check } from './check.ts';
import type { Command } from './command.ts';
import { configPrint, configSchemaCommand } from './config.ts';
import { keysCommands } from './keys/table.ts';
import { serve } from './serve.ts';

/** Every command, in the order the help lists them. */
export const commands: readonly Command[] = [serve, check, ...keysCommands, configPrint, configSchemaCommand];
