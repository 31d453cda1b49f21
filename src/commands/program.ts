import { Command } from 'commander';
import { addCall } from './call.ts';
import { addCast } from './cast.ts';
import { addCheckConfig } from './check-config.ts';
import type { CommandLine } from './command-line.ts';
import { addCompletion } from './completion.ts';
import { addDead } from './dead.ts';
import { addDeferred } from './deferred.ts';
import { addDemo } from './demo.ts';
import { addDescribe } from './describe.ts';
import { addDoctor } from './doctor.ts';
import { withExamples } from './examples.ts';
import { addExplain } from './explain.ts';
import { addKeys } from './keys.ts';
import { addMigrate } from './migrate.ts';
import { addSimulate } from './simulate.ts';
import { addSize } from './size.ts';
import { addStart } from './start.ts';

/** In the order of the help. */
const commands = [
  addStart,
  addMigrate,
  addDemo,
  addCheckConfig,
  addDescribe,
  addDoctor,
  addCast,
  addCall,
  addSimulate,
  addDeferred,
  addDead,
  addExplain,
  addKeys,
  addSize,
  addCompletion,
];

/** The whole command line. A wrong argument throws CommanderError and prints nothing. */
export function createProgram(line: CommandLine, version: string): Command {
  const program = new Command('conductor')
    .description('Takes the messages of guests from a broker and writes them to Postgres.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: (text) => line.write(text), writeErr: () => {} });
  for (const add of commands) add(program, line);
  return withExamples(program, ['everything in one process, to look at', 'conductor demo']).addHelpText(
    'after',
    '\nconductor <command> --help has examples of each command.',
  );
}

/** The words of the command that these arguments name, as far as it exists, such as `conductor dead list`. */
export function namedBy(program: Command, args: readonly string[]): string {
  let command = program;
  const words = [program.name()];
  for (const arg of args) {
    const child = command.commands.find((one) => one.name() === arg);
    if (child === undefined) continue;
    command = child;
    words.push(arg);
  }
  return words.join(' ');
}
