/** The table at the end of a run. */
import type { Part, RoundResult } from './round.ts';
import type { TransportName } from './world.ts';

const columns = ['attempted', 'acknowledged', 'ok', 'lost', 'duplicated', 'recovered', 'unexpected'] as const;

interface Row {
  readonly transport: TransportName;
  readonly fault: string;
  times: number;
  readonly sums: Record<(typeof columns)[number], number>;
  longestGap: number;
}

/** A table in Markdown: a row for each transport and fault, over all rounds, and their sum. */
export function tableOf(rounds: ReadonlyArray<RoundResult>): string[] {
  const rows = new Map<string, Row>();
  for (const { transport, parts } of rounds)
    for (const part of parts) {
      const key = `${transport} ${part.fault}`;
      const row = rows.get(key) ?? newRow(transport, part.fault);
      rows.set(key, row);
      add(row, part);
    }
  const sorted = [...rows.values()].sort(
    (a, b) => a.transport.localeCompare(b.transport) || a.fault.localeCompare(b.fault),
  );
  const head = ['transport', 'fault', 'times', ...columns, 'longest gap, s'];
  const total = ['all', '', sum(sorted.map(({ fault, times }) => (fault === '(none)' ? 0 : times)))];
  const body = [
    ...sorted.map(({ transport, fault, times, sums, longestGap }) => [
      transport,
      fault,
      times,
      ...columns.map((name) => sums[name]),
      seconds(longestGap),
    ]),
    [
      ...total,
      ...columns.map((name) => sum(sorted.map(({ sums }) => sums[name]))),
      seconds(Math.max(0, ...sorted.map(({ longestGap }) => longestGap))),
    ],
  ];
  return align([head, ...body.map((cells) => cells.map(format))]);
}

function newRow(transport: TransportName, fault: string): Row {
  const sums = { attempted: 0, acknowledged: 0, ok: 0, lost: 0, duplicated: 0, recovered: 0, unexpected: 0 };
  return { transport, fault, times: 0, sums, longestGap: 0 };
}

function add(row: Row, { tally, longestGap }: Part): void {
  row.times += 1;
  for (const name of columns) row.sums[name] += tally[name];
  row.longestGap = Math.max(row.longestGap, longestGap);
}

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((total, one) => total + one, 0);
const seconds = (milliseconds: number) => (milliseconds / 1000).toFixed(1);
const format = (cell: string | number) => (typeof cell === 'number' ? cell.toLocaleString('en-US') : cell);

/** A table in Markdown. Its first two columns are text. */
export function align([head = [], ...body]: ReadonlyArray<ReadonlyArray<string>>): string[] {
  const widths = head.map((name, index) =>
    Math.max(name.length, ...body.map((cells) => cells[index]?.length ?? 0)),
  );
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, index) => (index < 2 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, index) => `${'-'.repeat(width + 1)}${index < 2 ? '-' : ':'}`).join('|')}|`;
  return [line(head), rule, ...body.map(line)];
}
