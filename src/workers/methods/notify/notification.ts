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

/** The event of a notification's class: `instance_create` for DBaaSInstanceCreate. Throws Rejected. */
export function eventOf(serialized: JsonObject): string {
  const { notification_classname: className } = serialized;
  const name =
    typeof className === 'string' && className.startsWith(classPrefix)
      ? className.slice(classPrefix.length)
      : '';
  if (!/^[A-Z][A-Za-z]{0,63}$/.test(name) || otherClasses.includes(name)) {
    const given =
      typeof className === 'string' ? JSON.stringify(className.slice(0, 64)) : jsonTypeOf(className);
    throw new Rejected(
      'bad_argument',
      `args.serialized_notification.notification_classname is ${given}, not one of Trove's notifications`,
      'serialized_notification',
    );
  }
  return otherEvents[name] ?? name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();
}

/** The keys that every notification must have (`required_base_traits`). */
const baseTraits = ['tenant_id', 'client_ip', 'server_ip', 'server_type', 'request_id'];

/** The keys that it must have at its end, by event (`required_end_traits`). */
const endTraits: Readonly<Record<string, string>> = {
  instance_create: 'instance_id',
  cluster_create: 'cluster_id',
  cluster_grow: 'cluster_id',
  cluster_shrink: 'cluster_id',
  backup_create: 'backup_id',
  configuration_create: 'configuration_id',
};

/**
 * Checks a payload. Trove raises an error over one that lacks a key, and publishes nothing. `server_type` becomes part of the
 * publisher's name, and not every value can be made a text. Throws Rejected.
 */
export function checkPayload(payload: JsonObject, event: string, qualifier: 'end' | 'error'): void {
  const needed =
    qualifier === 'end' && event in endTraits ? [...baseTraits, endTraits[event] ?? ''] : baseTraits;
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
