import type { ListedLetter } from './dead-letters.ts';
import type { ListedDeferred } from './deferred.ts';
import type { InstanceRow, StatusRow } from './explain.ts';

/** The facts about an instance. */
export interface Known {
  readonly instance: InstanceRow | null;
  readonly status: StatusRow | null;
  readonly deferred: ReadonlyArray<ListedDeferred>;
  readonly letters: ReadonlyArray<ListedLetter>;
}

/** A stored guard that is further ahead guards nothing. Seconds. */
const horizon = 60;
/** Seconds after which a guest counts as silent. */
const silence = 90;

/** Why a deferred message waits. */
const waits: Readonly<Record<string, string>> = {
  unknown: 'the instance or the backup is not in the database yet',
  locked: 'another session holds its row locked',
  contended: 'other transactions were in its way',
  unproven:
    'it fails, and so do all messages of its method, or there are no others: the log names the object',
};

/** What became of an instance's messages, and why: one sentence a line, the weightiest first. */
export function reasonsOf({ instance, status, deferred, letters }: Known): string[] {
  const lines: string[] = [];
  if (instance === null)
    lines.push(
      'The table instances has no such instance: its heartbeats wait in deferred until it is there (or set guests.autoRegister).',
    );
  else if (instance.deleted) lines.push('The instance is deleted: its heartbeats change nothing.');
  if (status === null) lines.push('No heartbeat of it was applied yet.');
  else lines.push(...statusLines(status));
  for (const { method, reason, attempts } of deferred)
    lines.push(
      `A ${method} waits after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}: ${waits[reason] ?? reason}.`,
    );
  const dead = letters.filter(({ state }) => state !== 'redriven');
  if (dead.length > 0) {
    const reasons = [...new Set(dead.map(({ reason }) => reason))].join(', ');
    lines.push(`Messages about it are dead letters, the newest ones because of: ${reasons}.`);
  }
  return lines;
}

function* statusLines({ status, silentFor, ahead }: StatusRow): Generator<string> {
  if (status === 'restart required')
    yield 'No heartbeat ends the status "restart required". The control plane does.';
  if (ahead !== null && ahead > horizon)
    yield `The clock of its guest was ${Math.round(ahead)} s ahead of the database's. So its guard does not count, and the next heartbeat is applied.`;
  else if (ahead !== null && ahead > 1)
    yield `The clock of its guest is ${Math.round(ahead)} s ahead of the database's. Until then only heartbeats that say to be sent later are applied.`;
  if (silentFor === null) return;
  const seconds = Math.max(0, Math.round(silentFor));
  yield silentFor > silence
    ? `Nothing was applied for ${seconds} s: its guest is silent, or its messages are stale, wait or are dead.`
    : `The last heartbeat was applied ${seconds} s ago.`;
}
