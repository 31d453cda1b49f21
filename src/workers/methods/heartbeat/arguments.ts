import { Rejected } from '../../../core/errors.ts';
import { isObject, type JsonObject, jsonTypeOf } from '../../../core/json.ts';
import { readId, readSent } from '../arguments.ts';
import type { GuestArgs } from '../contract.ts';
import { type Status, statuses } from '../statuses.ts';

export interface HeartbeatArgs extends GuestArgs {
  /** Undefined: the guest only reports that it is alive. */
  readonly status: Status | undefined;
}

/**
 * Reads the arguments of a heartbeat. Throws Rejected with the argument's name.
 *
 * A heartbeat without a status has no guard, since it cannot undo a status that was sent before it.
 */
export function readHeartbeat(args: JsonObject, sentRequired: boolean): HeartbeatArgs {
  const instanceId = readId(args, 'instance_id');
  const sent = readSent(args, sentRequired);
  const { payload } = args;
  if (!isObject(payload))
    throw new Rejected('bad_argument', `args.payload is ${jsonTypeOf(payload)}, not an object`, 'payload');
  const status = readStatus(payload.service_status);
  return { instanceId, key: instanceId, guard: status === undefined ? undefined : sent, status };
}

/** The arguments in wire form. */
export function writeHeartbeat({ instanceId, guard, status }: HeartbeatArgs): JsonObject {
  return { instance_id: instanceId, sent: guard, payload: { service_status: status?.description } };
}

function readStatus(word: unknown): Status | undefined {
  if (word === undefined || word === null) return undefined;
  if (typeof word !== 'string') {
    throw new Rejected(
      'bad_argument',
      `args.payload.service_status is ${jsonTypeOf(word)}, not a string`,
      'payload',
    );
  }
  const status = statuses.get(word);
  if (status === undefined) {
    throw new Rejected(
      'bad_argument',
      `args.payload.service_status is ${JSON.stringify(word.slice(0, 64))}, not a status: docs/protocol.md lists them`,
      'payload',
    );
  }
  return status;
}
