import { type Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { letterStates } from '../database/dead-letters.ts';
import { type CommandLine, count, duration } from './command-line.ts';
import { type ChangeFlags, purge, redrive } from './dead-change.ts';
import { type EditFlags, edit } from './dead-edit.ts';
import { type ListFlags, list } from './dead-list.ts';
import { type ShowFlags, show } from './dead-show.ts';
import { withExamples } from './examples.ts';
import { operator } from './operator.ts';

/** Letters that one command changes at most, unless told. It is far beyond the default of `deadLetters.maxRows`. */
const changeLimit = 10_000_000;

/** `conductor dead`. */
export function addDead(program: Command, line: CommandLine): void {
  const dead = program.command('dead').description('look at the dead letters, edit, redrive or delete them');
  const listed = filtered(dead, 'list', 'list dead letters, the newest first', 100)
    .addOption(stateOption())
    .option('--count', 'count them by transport, reason and state', false)
    .action((flags: ListFlags) => list(line, flags));
  const shown = single(dead, 'show', 'show one dead letter with its body').action(
    (id: string, flags: ShowFlags) => show(line, id, flags),
  );
  const edited = single(
    dead,
    'edit',
    'edit the body that is redriven; the original is kept too',
    'that of the replicas, whose transports and methods the body is checked by',
  )
    .option('--body <file>', 'take the body from this file, or from standard input (-); without it: $EDITOR')
    .option('--by <name>', 'who edits', operator())
    .option(
      '--force',
      'store a body that would be dead again, for example of a method that only other replicas have',
      false,
    )
    .action((id: string, flags: EditFlags) => edit(line, id, flags));
  const redriven = changing(
    dead,
    'redrive',
    'run dead letters again as if they had just arrived, the oldest first',
  )
    .option('--rate <number>', 'letters a second; without it: as fast as a replica can', rate)
    .option('--by <name>', 'who asks for it', operator())
    .action((flags: ChangeFlags) => redrive(line, flags));
  const purged = changing(
    dead,
    'purge',
    'delete dead letters; those that wait for their redrive only with --state waiting',
  )
    .addOption(stateOption())
    .action((flags: ChangeFlags) => purge(line, flags));
  const counts = [
    'how many there are, by reason',
    'conductor dead list --config conductor.yaml --count',
  ] as const;
  withExamples(listed, counts, [
    'those of the last two hours',
    'conductor dead list --config conductor.yaml --newer-than 2h',
  ]);
  withExamples(shown, ['the dead letter 17', 'conductor dead show 17 --config conductor.yaml']);
  withExamples(
    edited,
    ['in $EDITOR', 'conductor dead edit 17 --config conductor.yaml'],
    ['from a file', 'conductor dead edit 17 --config conductor.yaml --body body.json'],
  );
  const again = [
    'all that the database refused, at 200 a second',
    'conductor dead redrive --config conductor.yaml --reason refused --rate 200',
  ] as const;
  withExamples(
    redriven,
    ['how many it would be', 'conductor dead redrive --config conductor.yaml --reason refused --dry-run'],
    again,
  );
  withExamples(purged, [
    'what was no JSON, a week ago or longer',
    'conductor dead purge --config conductor.yaml --reason not_json --older-than 7d',
  ]);
  withExamples(dead, counts, again);
}

function configured(
  parent: Command,
  name: string,
  description: string,
  reads = 'only its database is used',
): Command {
  return parent
    .command(name)
    .description(description)
    .requiredOption('--config <file>', `the configuration; ${reads}`)
    .option('--json', 'print JSON', false);
}

function single(parent: Command, name: string, description: string, reads?: string): Command {
  return configured(parent, name, description, reads).argument(
    '<id>',
    'the number of the dead letter',
    letterId,
  );
}

function filtered(parent: Command, name: string, description: string, limit: number): Command {
  return configured(parent, name, description)
    .option('--reason <reason>', 'only with this reason, such as bad_argument')
    .option('--method <name>', 'only messages of this method')
    .option('--instance <id>', 'only messages about this instance')
    .option('--sender <name>', 'only messages of this sender')
    .option('--transport <name>', 'only messages that came over this transport')
    .option('--older-than <age>', 'only messages that died longer ago, such as 90s, 10m, 2h, 7d', duration)
    .option('--newer-than <age>', 'only messages that died since', duration)
    .option('--message-id <id>', 'only messages with this id')
    .option('--text <part>', 'only letters whose detail has this part')
    .option('--id <numbers>', 'only these letters, separated by commas', letterIds)
    .option('--limit <count>', 'this many letters at most', count, limit)
    .allowExcessArguments()
    .hook('preAction', refuseArguments);
}

/** `show` and `edit` take a bare number, so an operator writes one here too. Throws CommanderError. */
function refuseArguments(command: Command): void {
  const { args } = command;
  if (args.length === 0) return;
  const hint = args.every(isLetterId) ? `use --id ${args.join(',')}` : 'letters are selected with options';
  throw new CommanderError(
    1,
    'commander.excessArguments',
    `error: too many arguments for '${command.name()}'; ${hint}`,
  );
}

/** A command that changes letters. It needs a filter, or `--all`. */
function changing(parent: Command, name: string, description: string): Command {
  return filtered(parent, name, description, changeLimit)
    .option('--all', 'all letters; needed if there is no filter', false)
    .option('--dry-run', 'only tell how many', false);
}

function stateOption(): Option {
  return new Option('--state <state>', 'only letters in this state').choices(letterStates);
}

function letterId(text: string): string {
  if (!isLetterId(text))
    throw new InvalidArgumentError(
      'the number of a dead letter is expected, as conductor dead list shows it',
    );
  return text;
}

function isLetterId(text: string): boolean {
  return /^[1-9]\d{0,17}$/.test(text);
}

function letterIds(text: string): string[] {
  return text.split(',').map((one) => letterId(one.trim()));
}

function rate(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1e6))
    throw new InvalidArgumentError('a number of letters a second is expected, above 0');
  return value;
}
