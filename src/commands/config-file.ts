import { type Command, CommanderError } from 'commander';

/** The flag that names the configuration in most commands. */
export interface ConfigFlag {
  readonly config?: string;
}

/** A command that reads one file: as its argument, or with `--config`, which most commands have and operators therefore type. */
export function withConfigFile(command: Command): Command {
  return command
    .argument('[file]', 'the configuration')
    .option('--config <file>', 'the configuration, as in other commands; in place of the argument');
}

/** The file that one of the two names. Throws CommanderError if none does, or both do. */
export function configFileOf(file: string | undefined, { config }: ConfigFlag): string {
  const named = file ?? config;
  if (named === undefined)
    throw new CommanderError(1, 'commander.missingArgument', "error: missing required argument 'file'");
  if (file !== undefined && config !== undefined)
    throw new CommanderError(
      1,
      'commander.excessArguments',
      'error: name the file once: as the argument, or with --config',
    );
  return named;
}
