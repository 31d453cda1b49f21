import { createHash, randomUUID } from 'node:crypto';
import { Rejected } from '../../../core/errors.ts';
import { isObject, type JsonObject, jsonTypeOf } from '../../../core/json.ts';
import { contextPrefix, osloBody } from '../../../core/message/codecs/oslo.ts';
import type { RequestContext } from '../../../core/message/envelope.ts';
import type { Notification } from '../../../core/message/notification.ts';
import type { NotificationSettings } from '../../settings.ts';
import type { GuestArgs } from '../contract.ts';

/** Trove's notifications, as its guests send them and as oslo.messaging publishes them. */

/** The module of Trove's notification classes, and the prefix of their names. */
const classPrefix = 'trove.common.notification.DBaaS';

/** The classes whose event differs from their name (trove/common/notification.py, `event_type`). */
const otherEvents: Readonly<Record<string, string>> = {
  InstanceUpgrade: 'upgrade',
  InstanceMigrate: 'migrate',
};

/** Classes with the prefix that are no notifications that a guest can end. */
const otherClasses = ['APINotification', 'Quotas'];

/** The name of a class: the prefix, and words that begin with a capital. */
export const className = new RegExp(
  `^${classPrefix.replaceAll('.', '\\.')}(?!(?:${otherClasses.join('|')})$)(?=.{1,64}$)(?:[A-Z][a-z]+)+$`,
);

/** The event of a notification's class: `instance_create` for DBaaSInstanceCreate. Throws Rejected. */
export function eventOf(serialized: JsonObject): string {
  const { notification_classname: given } = serialized;
  if (typeof given !== 'string' || !className.test(given)) {
    const shown = typeof given === 'string' ? JSON.stringify(given.slice(0, 64)) : jsonTypeOf(given);
    throw new Rejected(
      'bad_argument',
      `args.serialized_notification.notification_classname is ${shown}, not one of Trove's notifications`,
      'serialized_notification',
    );
  }
  const name = given.slice(classPrefix.length);
  return otherEvents[name] ?? name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();
}

/** The keys that every notification must have (`required_base_traits`). */
export const baseTraits = ['tenant_id', 'client_ip', 'server_ip', 'server_type', 'request_id'];

/** The key that it must have at its end, by event (`required_end_traits`). */
const endTraits: Readonly<Record<string, string>> = {
  instance_create: 'instance_id',
  cluster_create: 'cluster_id',
  cluster_grow: 'cluster_id',
  cluster_shrink: 'cluster_id',
  backup_create: 'backup_id',
  configuration_create: 'configuration_id',
};

/** The names of classes whose event needs a key at its end, by the key. `instance_id` is needed anyway. */
export const classesWithTrait: ReadonlyArray<readonly [names: ReadonlyArray<string>, trait: string]> =
  Object.entries(Object.groupBy(Object.entries(endTraits), ([, trait]) => trait)).flatMap(
    ([trait, events = []]) =>
      trait === 'instance_id' ? [] : [[events.map(([event]) => classOf(event)), trait] as const],
  );

function classOf(event: string): string {
  return classPrefix + event.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * Checks a payload. Trove raises an error over one that lacks a key, and publishes nothing. `server_type` becomes part of the
 * publisher's name, and not every value can be made a text. Throws Rejected.
 */
export function checkPayload(payload: JsonObject, event: string, qualifier: 'end' | 'error'): void {
  const needed =
    qualifier === 'end' && Object.hasOwn(endTraits, event)
      ? [...baseTraits, endTraits[event] ?? '']
      : baseTraits;
  const { server_type } = payload;
  if (typeof server_type === 'object' && server_type !== null) {
    throw new Rejected(
      'bad_argument',
      `args.serialized_notification.server_type is ${jsonTypeOf(server_type)}, not a string`,
      'serialized_notification',
    );
  }
  const missing = needed.filter((name) => !Object.hasOwn(payload, name));
  if (missing.length === 0) return;
  throw new Rejected(
    'bad_argument',
    `args.serialized_notification lacks ${missing.join(', ')}`,
    'serialized_notification',
  );
}

/** The keys of a context that oslo allows in a notification and that Trove's guests send (notify/notifier.py). */
const passedOn = ['system_scope', 'domain', 'user_domain', 'project_domain', 'global_request_id'];

/**
 * The context as Trove's notifier sends it: `_sanitize_context` of oslo.messaging, without tokens, and then rebuilt by oslo.context's
 * `from_dict` and `to_dict`.
 */
export function notificationContext(context: RequestContext | undefined): JsonObject {
  const { user = null, tenant = null, requestId = `req-${randomUUID()}`, all = {} } = context ?? {};
  const others = Object.fromEntries(passedOn.map((name) => [name, all[name] ?? null]));
  const { domain, user_domain, project_domain } = others;
  return {
    user,
    project_id: tenant,
    project: tenant,
    ...others,
    is_admin: all.is_admin ?? false,
    read_only: false,
    show_deleted: false,
    auth_token: null,
    request_id: requestId,
    resource_uuid: null,
    roles: Array.isArray(all.roles) ? all.roles : [],
    user_identity: [user, tenant, domain, user_domain, project_domain]
      .map((one) => (typeof one === 'string' && one !== '' ? one : '-'))
      .join(' '),
    is_admin_project: true,
    limit: null,
    marker: null,
    service_catalog: null,
  };
}

export interface Publishable extends Pick<GuestArgs, 'instanceId' | 'key'> {
  /** `dbaas.<event>.end` or `.error`. */
  readonly eventType: string;
  readonly payload: JsonObject;
  readonly context: JsonObject;
  /** The id of the message that it came with. */
  readonly messageId: string | undefined;
}

/**
 * Makes a notification as oslo.messaging's driver `messagingv2` sends it (notify/notifier.py, `_notify`; notify/messaging.py). Like
 * Trove, it sends errors with priority INFO, and the whole payload (common/notification.py, `_notify`).
 *
 * Its id is the same each time that the message is applied, so that a listener can recognize a notification that was published twice: it
 * comes from the message's id, or from its key, which has a digest of the payload. A sender chooses its ids freely, so its instance is a
 * part.
 */
export function publishable(
  { eventType, payload, context, messageId, instanceId, key }: Publishable,
  { topic, publisherHost }: NotificationSettings,
): Notification {
  const name = `${eventType} ${instanceId} ${messageId ?? key}`;
  const id = uuidOf(createHash('sha256').update(name).digest('hex'));
  const message = {
    message_id: id,
    publisher_id: `${String(payload.server_type)}.${publisherHost}`,
    event_type: eventType,
    priority: 'INFO',
    payload,
    // As Python prints a time: UTC, without a zone.
    timestamp: new Date().toISOString().replace('T', ' ').replace('Z', '000'),
    _unique_id: id.replaceAll('-', ''),
    ...Object.fromEntries(Object.entries(context).map(([name, value]) => [`${contextPrefix}${name}`, value])),
  };
  return { topic: `${topic}.info`, body: osloBody(message), id };
}

function uuidOf(hex: string): string {
  return hex.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Reads an object among the arguments. Throws Rejected. */
export function readObject(args: JsonObject, name: string): JsonObject {
  const value = args[name];
  if (isObject(value)) return value;
  throw new Rejected('bad_argument', `args.${name} is ${jsonTypeOf(value)}, not an object`, name);
}
