/** The demo's summary: makes text of figures, without side effects. */
import { type CastOutcomeKind, castOutcomeKinds } from '../core/message/outcome.ts';
import { phases } from './guests-lifecycle.ts';
import type { Readings } from './summary-readings.ts';

/** The styles of the parts of a line, by meaning. */
export type Look = 'strong' | 'faint' | 'good' | 'passing' | 'bad';
/** A part of a line. */
interface Part {
  readonly text: string;
  readonly look?: Look | undefined;
}
export type Line = readonly Part[];

/** Columns of the left half and of its bars. On a terminal with at least this many columns, the halves stand side by side. */
const leftWidth = 36;
const barWidth = 13;
const sideBySideFrom = 78;

const statusLooks: ReadonlyMap<string, Look> = new Map([
  ['running', 'good'],
  ['healthy', 'good'],
  ['failed to spawn', 'bad'],
  ['crashed', 'bad'],
  ['silent', 'passing'],
]);

const outcomeLooks: Readonly<Partial<Record<CastOutcomeKind, Look>>> = {
  applied: 'good',
  deferred: 'passing',
  dead: 'bad',
};

const meanings: Readonly<Record<CastOutcomeKind, string>> = {
  applied: 'written to Postgres',
  stale: 'older than the row',
  duplicate: 'came twice, counts once',
  superseded: 'a newer one is kept',
  deferred: 'kept, to be tried again',
  dead: 'kept in dead_letters',
};

/**
 * The summary for a terminal of so many columns. No line is longer.
 *
 * @param until seconds after which the demo ends by itself, if it does.
 */
export function render(readings: Readings, columns: number, until?: number): Line[] {
  const left = guestLines(readings);
  const right = messageLines(readings);
  const halves = columns >= sideBySideFrom ? sideBySide(left, right) : [...left, [], ...right];
  const lines = [runningLine(readings.seconds, until), ...halves, ...otherLines(readings)];
  if (readings.problem !== undefined) lines.push([], [{ text: oneLine(readings.problem), look: 'bad' }]);
  return lines.map((line) => cut(line, columns));
}

/** The same in one line, for a log or a pipe. */
export function renderLine({ seconds, guests, rate, latency, outcomes, problem }: Readings): string {
  const states = statusesOf(guests).flatMap(({ status, count }) => (count > 0 ? [`${count} ${status}`] : []));
  const counts = castOutcomeKinds.map((kind) => `${figure(outcomes[kind])} ${kind}`);
  return [
    duration(seconds),
    `guests in Postgres: ${states.join(', ') || 'none yet'}`,
    `${rate.toFixed(1)} heartbeats/s: ${counts.join(', ')}`,
    ...(latency === undefined ? [] : [`broker to commit ${latencyText(latency)}`]),
    ...(problem === undefined ? [] : [oneLine(problem)]),
  ].join(' | ');
}

/** The last line of a run: the rows in Postgres. */
export function renderEnd({ seconds, guests, outcomes }: Readings, kept: string): string {
  const others = castOutcomeKinds.filter((kind) => kind !== 'applied' && outcomes[kind] > 0);
  const rest = others.map((kind) => `${figure(outcomes[kind])} ${kind}`).join(', ');
  return (
    `Ended after ${duration(seconds)}: ${figure(outcomes.applied)} heartbeats written to Postgres` +
    `${rest === '' ? '' : ` (and ${rest})`}, where ${figure(total(guests))} guests now have a status. ` +
    `All is kept in ${kept} for the next run.`
  );
}

function runningLine(seconds: number, until: number | undefined): Line {
  const of = until === undefined ? '' : ` of ${duration(until)}`;
  return [
    { text: `Running for ${duration(seconds)}${of}.`, look: 'strong' },
    { text: ' Ctrl-C ends it.', look: 'faint' },
  ];
}

function guestLines({ guests }: Readings): Line[] {
  const all = total(guests);
  const rows = statusesOf(guests).map(({ status, count }): Line => {
    const length = count === 0 ? 0 : Math.max(1, Math.round((count / all) * barWidth));
    return [
      { text: `  ${status.padEnd(16)}`, look: count === 0 ? 'faint' : undefined },
      { text: '█'.repeat(length), look: statusLooks.get(status) },
      { text: count === 0 ? '' : ` ${figure(count)}` },
    ];
  });
  return [[{ text: `${figure(all)} guests in Postgres`, look: 'strong' }], ...rows];
}

function messageLines({ rate, outcomes, latency }: Readings): Line[] {
  const rows = castOutcomeKinds.map((kind): Line => {
    const count = outcomes[kind];
    const look = count === 0 ? 'faint' : outcomeLooks[kind];
    return [
      { text: `${kind.padEnd(10)} ${figure(count).padStart(7)}  `, look },
      { text: meanings[kind], look: 'faint' },
    ];
  });
  return [
    [{ text: `${rate.toFixed(1)} heartbeats a second`, look: 'strong' }],
    ...rows,
    [{ text: 'broker to commit, after warming up', look: 'faint' }],
    [{ text: latency === undefined ? 'warming up' : latencyText(latency) }],
  ];
}

function otherLines({ others }: Readings): Line[] {
  if (others.length === 0) return [];
  const named = others.map(({ id, status, secondsAgo }) => {
    return `${oneLine(id)} is ${status} (${duration(Math.max(0, secondsAgo))} ago)`;
  });
  return [[], [{ text: 'Yours: ', look: 'strong' }, { text: named.join(', ') }]];
}

/** The statuses of a guest's life in their order, so that no row moves, then all others. */
function statusesOf(guests: ReadonlyMap<string, number>): { status: string; count: number }[] {
  return [...new Set([...phases, ...guests.keys()])].map((status) => ({
    status,
    count: guests.get(status) ?? 0,
  }));
}

function sideBySide(left: readonly Line[], right: readonly Line[]): Line[] {
  return Array.from({ length: Math.max(left.length, right.length) }, (_, row) => {
    const start = left[row] ?? [];
    const gap = leftWidth - start.reduce((sum, { text }) => sum + text.length, 0);
    return [...start, { text: ' '.repeat(Math.max(1, gap)) }, ...(right[row] ?? [])];
  });
}

function cut(line: Line, columns: number): Line {
  let room = columns;
  return line.map((part) => {
    const text = part.text.slice(0, Math.max(0, room));
    room -= part.text.length;
    return { ...part, text };
  });
}

function total(guests: ReadonlyMap<string, number>): number {
  return [...guests.values()].reduce((sum, count) => sum + count, 0);
}

function latencyText({ p50, p99 }: { p50: number; p99: number }): string {
  return `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
}

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function figure(count: number): string {
  return count.toLocaleString('en-US');
}

/** Escapes ids and errors, which come from outside: they must not control the terminal, or take two columns. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(/[^ -~]/g, '?');
}
