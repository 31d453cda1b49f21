import type { Command } from 'commander';
import type { ListedLetter } from '../database/dead-letters.ts';
import type { ListedDeferred } from '../database/deferred.ts';
import type { InstanceRow, StatusRow, Transition } from '../database/explain.ts';
import { type Explanation, explainInstance } from '../database/explain-instance.ts';
import { type CommandLine, count } from './command-line.ts';
import { withExamples } from './examples.ts';
import { printable, tableText } from './table.ts';
import { withTable } from './with-table.ts';

interface ExplainFlags {
  config: string;
  limit: number;
  json: boolean;
}

/** `conductor explain`. */
export function addExplain(program: Command, line: CommandLine): void {
  const command = program
    .command('explain')
    .description('tell what was last heard of an instance, what became of it and why')
    .argument('<instance>', 'the id of the instance')
    .requiredOption('--config <file>', 'the configuration; only its database is used')
    .option('--limit <count>', 'this many changes of status and messages at most', count, 10)
    .option('--json', 'print JSON', false)
    .action((id: string, { config, limit, json }: ExplainFlags) =>
      withTable(line, config, 'status_transitions', async (query) => {
        const found = await explainInstance(query, id, limit);
        line.print(json ? JSON.stringify(jsonOf(found)) : textOf(found));
      }),
    );
  withExamples(command, ['why does i1 not run?', 'conductor explain i1 --config conductor.yaml']);
}

function jsonOf({ cut, ...found }: Explanation) {
  return { ...found, more: Object.values(cut).includes(true) };
}

function textOf({ id, instance, status, why, transitions, deferred, dead, cut }: Explanation): string {
  return [
    headOf(id, instance, status),
    why.map((reason) => `- ${printable(reason)}`).join('\n'),
    section('Changes of status, the newest first', transitions, cut.transitions, transitionsTable),
    section('Deferred messages, the oldest first', deferred, cut.deferred, deferredTable),
    section('Dead letters, the newest first', dead, cut.dead, lettersTable),
  ].join('\n\n');
}

function headOf(id: string, instance: InstanceRow | null, status: StatusRow | null): string {
  const name = instance?.name ?? null;
  const called = name === null || name === id ? '' : ` (${name})`;
  const since = status?.updatedAt ? `, last written at ${status.updatedAt.toISOString()}` : '';
  const sent = status?.sent ? `, sent ${status.sent}` : '';
  const state = status === null ? 'no status' : `${status.status}${since}${sent}`;
  return printable(`${id}${called}: ${state}`);
}

function section<Row>(
  title: string,
  rows: ReadonlyArray<Row>,
  isCut: boolean,
  table: (rows: ReadonlyArray<Row>, isCut: boolean) => string,
): string {
  return rows.length === 0 ? `${title}: none.` : `${title}:\n${table(rows, isCut)}`;
}

function transitionsTable(rows: ReadonlyArray<Transition>, isCut: boolean): string {
  const cells = rows.map(({ changedAt, from, to, sent, cause }) => [
    changedAt.toISOString(),
    from ?? '-',
    to,
    sent === null ? '-' : String(sent),
    cause,
  ]);
  return tableText(['at', 'from', 'to', 'sent', 'cause'], cells, isCut);
}

function deferredTable(rows: ReadonlyArray<ListedDeferred>, isCut: boolean): string {
  const cells = rows.map(({ firstDeferredAt, method, transport, reason, attempts, nextAttemptAt }) => [
    firstDeferredAt.toISOString(),
    method,
    transport,
    reason,
    String(attempts),
    nextAttemptAt.toISOString(),
  ]);
  return tableText(['since', 'method', 'transport', 'reason', 'attempts', 'next attempt'], cells, isCut);
}

function lettersTable(rows: ReadonlyArray<ListedLetter>, isCut: boolean): string {
  const cells = rows.map(({ id, diedAt, method, transport, reason, state, detail }) => [
    id,
    diedAt.toISOString(),
    method ?? '-',
    transport,
    reason,
    state,
    (detail ?? '').slice(0, 120),
  ]);
  return tableText(['id', 'at', 'method', 'transport', 'reason', 'state', 'detail'], cells, isCut);
}
