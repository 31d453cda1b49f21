import type { Command } from 'commander';
import { stringify } from 'yaml';
import { printable } from '../core/config/load.ts';
import type { CommandLine } from './command-line.ts';

/** `conductor check-config`. */
export function addCheckConfig(program: Command, line: CommandLine): void {
  program
    .command('check-config <file>')
    .description('check a configuration and print the settings that result')
    .action(async (file: string) => line.print(stringify(printable(await line.load(file)))));
}
