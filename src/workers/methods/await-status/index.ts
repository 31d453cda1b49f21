import { CallRefused, Rejected } from '../../../core/errors.ts';
import { type JsonObject, jsonTypeOf } from '../../../core/json.ts';
import { readId } from '../arguments.ts';
import type { CallMethod } from '../contract.ts';
import { statuses } from '../statuses.ts';
import { Wait } from '../wait.ts';
import { description } from './description.ts';
import { readStatus } from './read-status.ts';
import { wait } from './wait-time.ts';

interface AwaitStatusArgs {
  readonly instanceId: string;
  readonly statuses: ReadonlyArray<string>;
  /** Milliseconds. */
  readonly timeout: number;
}

/**
 * Answers once the instance has one of the statuses, or has had it since the call arrived. Meanwhile the main thread holds the call, and
 * the worker does not know of it.
 */
export const awaitStatus: CallMethod<AwaitStatusArgs> = {
  description,
  allowed: 'service',
  mutating: false,

  parse: (args) => ({
    instanceId: readId(args, 'instance_id'),
    statuses: readStatuses(args),
    timeout: readTimeout(args) * 1000,
  }),

  async run(db, { instanceId, statuses: wanted, timeout }, { resumption: { since, end } = {} }) {
    const { status, latest, reached } = await readStatus(db, instanceId, since);
    const found = [...reached, status].find((one) => one !== null && wanted.includes(one));
    if (found !== undefined) return { instance_id: instanceId, status: found, now: status };
    if (end === 'busy')
      throw new CallRefused(
        'Busy',
        'this conductor holds as many calls of await_status as it may (calls.maxWaiters), or none over this transport; try again in a moment',
      );
    if (end === 'over')
      throw new CallRefused(
        'Timeout',
        `the instance has ${status === null ? 'no status' : `the status ${JSON.stringify(status)}`} after ${timeout / 1000} s, ` +
          `not ${wanted.map((one) => JSON.stringify(one)).join(' or ')}`,
      );
    return new Wait({ instanceId, statuses: wanted, since: since ?? latest, timeout });
  },
};

function readStatuses({ status }: JsonObject): ReadonlyArray<string> {
  const words: ReadonlyArray<unknown> = Array.isArray(status) ? status : [status];
  if (words.length === 0)
    throw new Rejected('bad_argument', 'args.status is empty: name the status to wait for', 'status');
  return words.map((word) => {
    if (typeof word !== 'string')
      throw new Rejected(
        'bad_argument',
        `args.status is ${jsonTypeOf(word)}, not a status or a list`,
        'status',
      );
    if (!statuses.has(word))
      throw new Rejected(
        'bad_argument',
        `args.status is ${JSON.stringify(word.slice(0, 64))}, not a status: docs/protocol.md lists them`,
        'status',
      );
    return word;
  });
}

function readTimeout({ timeout = wait.usual }: JsonObject): number {
  if (typeof timeout === 'number' && timeout > 0 && timeout <= wait.most) return timeout;
  const given = typeof timeout === 'number' ? String(timeout) : jsonTypeOf(timeout);
  throw new Rejected(
    'bad_argument',
    `args.timeout is ${given}, not a number of seconds above 0, up to ${wait.most}`,
    'timeout',
  );
}
