import { type Command, Option } from 'commander';
import { type DeferredReason, deferredReasons } from '../core/message/outcome.ts';
import {
  type DeferredFilter,
  type ListedDeferred,
  listDeferred,
  makeDeferredDue,
} from '../database/deferred.ts';
import { type CommandLine, count, duration } from './command-line.ts';
import { withExamples } from './examples.ts';
import { tableText } from './table.ts';
import { withTable } from './with-table.ts';

interface DeferredFlags extends DeferredFilter {
  config: string;
  reason?: DeferredReason;
  limit: number;
  json: boolean;
}

/** Messages that `deferred retry` makes due at most, unless told. It is far beyond the default of `deferred.maxRows`. */
const retryLimit = 1_000_000;

/** `conductor deferred`. */
export function addDeferred(program: Command, line: CommandLine): void {
  const deferred = program
    .command('deferred')
    .description('look at the messages that wait, or retry them now');
  const list = filtered(deferred, 'list', 'list the messages that wait, the oldest first', 100).action(
    (flags: DeferredFlags) =>
      withTable(line, flags.config, 'deferred', async (query) => {
        const rows = await listDeferred(query, flags, flags.limit + 1);
        const shown = rows.slice(0, flags.limit);
        const isCut = rows.length > shown.length;
        line.print(flags.json ? JSON.stringify({ deferred: shown, more: isCut }) : tableOf(shown, isCut));
      }),
  );
  const retry = filtered(
    deferred,
    'retry',
    'retry messages at the next look of a replica, not at their time',
    retryLimit,
  ).action((flags: DeferredFlags) =>
    withTable(line, flags.config, 'deferred', async (query) => {
      const due = await makeDeferredDue(query, flags, flags.limit);
      line.print(
        flags.json
          ? JSON.stringify({ due })
          : `${due} deferred messages are due now; a replica that has their transport retries them.`,
      );
    }),
  );
  const seen = [
    'what waits for longer than an hour',
    'conductor deferred list --config conductor.yaml --older-than 1h',
  ] as const;
  const retried = [
    'retry the messages about i1 now',
    'conductor deferred retry --config conductor.yaml --instance i1',
  ] as const;
  withExamples(list, seen);
  withExamples(retry, retried);
  withExamples(deferred, seen, retried);
}

function filtered(parent: Command, name: string, description: string, limit: number): Command {
  return parent
    .command(name)
    .description(description)
    .requiredOption('--config <file>', 'the configuration; only its database is used')
    .option('--method <name>', 'only messages of this method')
    .option('--instance <id>', 'only messages about this instance')
    .option('--transport <name>', 'only messages that came over this transport')
    .addOption(new Option('--reason <reason>', 'only messages that wait for this').choices(deferredReasons))
    .option('--older-than <age>', 'only messages that wait longer, such as 90s, 10m, 2h, 7d', duration)
    .option('--limit <count>', 'this many messages at most', count, limit)
    .option('--json', 'print JSON', false);
}

const headings = ['method', 'instance', 'transport', 'reason', 'attempts', 'since', 'next attempt', 'key'];

function tableOf(rows: ReadonlyArray<ListedDeferred>, isCut: boolean): string {
  if (rows.length === 0) return 'No deferred message matches.';
  const cells = rows.map((row) => [
    row.method,
    row.instance,
    row.transport,
    row.reason,
    String(row.attempts),
    row.firstDeferredAt.toISOString(),
    row.nextAttemptAt.toISOString(),
    row.key,
  ]);
  return tableText(headings, cells, isCut);
}
