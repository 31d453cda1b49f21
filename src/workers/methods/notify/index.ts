import { createHash } from 'node:crypto';
import { Rejected } from '../../../core/errors.ts';
import { isObject, type JsonObject, jsonTypeOf } from '../../../core/json.ts';
import { contextOf } from '../../../core/message/codecs/native.ts';
import { osloContextNames } from '../../../core/message/codecs/oslo.ts';
import { applied, type Outcome } from '../../../core/message/outcome.ts';
import type { NotificationSettings } from '../../settings.ts';
import { readId, readText } from '../arguments.ts';
import type { CastMethod, GuestArgs } from '../contract.ts';
import { findLocked } from '../find-locked.ts';
import { endDescription, excInfoDescription } from './description.ts';
import { formatOutput } from './format-output.ts';
import {
  checkPayload,
  eventOf,
  notificationContext,
  type Publishable,
  publishable,
  readObject,
} from './notification.ts';
import { type Fault, upsertFaults } from './upsert-faults.ts';

interface NotifyArgs extends GuestArgs, Publishable {
  /** The arguments as sent: the payload is made of them. */
  readonly wire: JsonObject;
}

interface NotifyExcInfoArgs extends NotifyArgs {
  readonly fault: Fault;
}

/** The other arguments that go into the payload. */
type Addition = (args: JsonObject) => JsonObject;

/**
 * Publishes the end of an operation that Trove's API began (Trove: conductor/manager.py, `notify_end`): `dbaas.<event>.end`, which
 * billing reads. It writes no row, so it does not wait for the instance to exist.
 */
export const notifyEnd: CastMethod<NotifyArgs> = {
  description: endDescription,
  needsContext: true,
  parse: (args, envelope) => parseNotification(args, envelope, 'end', readNotificationArgs),
  toWire,
  apply: async (_, batch, { notifications }) => batch.map((args) => announced(args, notifications)),
};

/**
 * Publishes an error as `dbaas.<event>.error`, and stores it as the instance's one fault (Trove: conductor/manager.py,
 * `notify_exc_info`; instance/models.py, `persist_instance_fault`). An unknown or deleted instance gets no fault, but the notification
 * is published, as in Trove.
 */
export const notifyExcInfo: CastMethod<NotifyExcInfoArgs> = {
  description: excInfoDescription,
  needsContext: true,

  parse(args, envelope) {
    const parsed = parseNotification(args, envelope, 'error', readError);
    const { message, exception, server_type } = parsed.payload;
    const lines = [`Server type: ${String(server_type)}\n`, ...(Array.isArray(exception) ? exception : [])];
    const fault = {
      instanceId: parsed.instanceId,
      message: formatOutput(String(message), faultWidth),
      details: formatOutput(lines),
    };
    return { ...parsed, fault };
  },

  toWire,

  async apply(db, batch, { notifications }) {
    // One row an instance: the last message of a batch counts.
    const faults = new Map(batch.map(({ fault }) => [fault.instanceId, fault]));
    await upsertFaults(db, [...faults.values()]);
    return batch.map((args) => announced(args, notifications));
  },

  async findLocked(db, batch) {
    const ids = batch.map(({ instanceId }) => instanceId);
    const locked = await findLocked(db, 'instances', ids);
    return new Set(batch.flatMap(({ instanceId, key }) => (locked.has(instanceId) ? [key] : [])));
  },
};

/** The width of the column in Trove's table. */
const faultWidth = 255;

function announced(args: NotifyArgs, settings: NotificationSettings): Outcome {
  if (settings.topic === '') return applied;
  return { kind: 'applied', notification: publishable(args, settings) };
}

function parseNotification(
  args: JsonObject,
  envelope: Parameters<CastMethod['parse']>[1],
  qualifier: 'end' | 'error',
  addition: Addition,
): NotifyArgs {
  const serialized = readObject(args, 'serialized_notification');
  const event = eventOf(serialized);
  const { notification_classname: _, ...own } = serialized;
  const added = addition(args);
  const payload = { ...own, ...added };
  // The payload is the sender's own. The arguments that are laid over it must not name another instance.
  const instanceId = readInstanceId(own, added);
  checkPayload(payload, event, qualifier);
  // A deferred message has its context and its id among the arguments.
  const { context: kept, message_id: keptId } = args;
  const context = envelope.context ?? (isObject(kept) ? contextOf(kept, osloContextNames) : undefined);
  const digest = createHash('sha256')
    .update(JSON.stringify([event, qualifier, payload]))
    .digest('hex');
  return {
    instanceId,
    // Each message stands alone. A repeated message has the same key.
    key: `${instanceId} ${digest}`,
    guard: undefined,
    eventType: `dbaas.${event}.${qualifier}`,
    payload,
    context: notificationContext(context),
    messageId: envelope.messageId ?? (typeof keptId === 'string' ? keptId : undefined),
    wire: {
      serialized_notification: serialized,
      ...pick(args, ['notification_args', 'message', 'exception']),
    },
  };
}

function readInstanceId(own: JsonObject, added: JsonObject): string {
  const name = 'serialized_notification.instance_id';
  const instanceId = readId({ [name]: own.instance_id ?? added.instance_id }, name);
  if (added.instance_id !== undefined && added.instance_id !== instanceId) {
    throw new Rejected(
      'bad_argument',
      'args.notification_args.instance_id is not that of args.serialized_notification',
      'notification_args',
    );
  }
  return instanceId;
}

function readNotificationArgs(args: JsonObject): JsonObject {
  return args.notification_args === undefined ? {} : readObject(args, 'notification_args');
}

/** The values that Trove lays over the payload of an error. The traceback is a list of lines, as Python formats it. */
function readError(args: JsonObject): JsonObject {
  const { exception } = args;
  const message = readText(args, 'message', Number.POSITIVE_INFINITY);
  if (!Array.isArray(exception) || !exception.every((line) => typeof line === 'string')) {
    const given = Array.isArray(exception) ? 'a list of something else' : jsonTypeOf(exception);
    throw new Rejected('bad_argument', `args.exception is ${given}, not a list of strings`, 'exception');
  }
  return { message, exception };
}

function toWire({ wire, context, messageId }: NotifyArgs): JsonObject {
  return { ...wire, context, ...(messageId !== undefined && { message_id: messageId }) };
}

function pick(from: JsonObject, names: ReadonlyArray<string>): JsonObject {
  return Object.fromEntries(names.filter((name) => name in from).map((name) => [name, from[name]]));
}
