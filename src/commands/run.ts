import { type Command, CommanderError } from 'commander';
import { ConfigError, messageOf, NotConnected } from '../core/errors.ts';
import type { CommandLine } from './command-line.ts';
import { withNextStep } from './next-step.ts';
import { createProgram, namedBy } from './program.ts';

/** Exit codes: 0 done, 1 failed, 2 usage or configuration. */
const exit = { done: 0, failed: 1, usage: 2 } as const;

/** Runs the command that these arguments name. Prints an error in one line. Resolves with the exit code, and never rejects. */
export async function runCommand(
  line: CommandLine,
  args: readonly string[],
  version: string,
): Promise<number> {
  const program = createProgram(line, version);
  try {
    await program.parseAsync(args, { from: 'user' });
    return exit.done;
  } catch (error) {
    if (error instanceof CommanderError) {
      // The help and the version are such an error too.
      if (error.exitCode === 0) return exit.done;
      line.complain(usageLine(error, program, args));
      return exit.usage;
    }
    line.complain(errorLine(error, line));
    return error instanceof ConfigError ? exit.usage : exit.failed;
  }
}

/** An error in one line, with what to do next and its code, for docs/errors.md. The general codes say no more than the text does. */
function errorLine(error: unknown, line: CommandLine): string {
  const text = line
    .mask(messageOf(error))
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ');
  const code = error instanceof ConfigError || error instanceof NotConnected ? error.code : undefined;
  const isGeneral = code === undefined || code === 'configuration' || code === 'not-connected';
  return `conductor: ${withNextStep(text, code)}${isGeneral ? '' : ` [${code}]`}`;
}

/** An error of commander in one line that says where the right arguments stand. */
function usageLine({ message }: CommanderError, program: Command, args: readonly string[]): string {
  // Without a command commander would print the whole help, with this as its message.
  const text = message === '(outputHelp)' ? 'error: a command is expected' : message.trim();
  return `${text.replaceAll(/\s*\n\s*/g, ' ')}; try ${namedBy(program, args)} --help`;
}
