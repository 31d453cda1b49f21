import type { Config } from '../core/config/load.ts';
import type { CommonOptions } from '../core/config/transport-kind.ts';
import type { JsonObject } from '../core/json.ts';
import type { TransportDescription } from '../core/transport/description.ts';
import { type JsonSchema, object } from '../workers/methods/description.ts';
import { type Parts, reference } from './describe-parts.ts';

interface Publisher {
  /** The key of the transport in the document. */
  readonly key: string;
  readonly name: string;
  readonly described: TransportDescription;
  readonly ownServers: ReadonlyArray<JsonObject>;
}

/** Adds the channels on which the conductor publishes of its own accord over a transport. */
export function notificationsOf(
  parts: Parts,
  publisher: Publisher,
  { notifications, transitions }: Config,
  { codec }: CommonOptions,
): void {
  if (notifications.topic !== '')
    add(parts, publisher, 'notifications', {
      address: `${notifications.topic}.info`,
      summary: "Notifications of guests, in oslo.messaging's form 2.0.",
      payload: osloNotification({ type: 'object' }),
    });
  if (transitions.publish !== publisher.name) return;
  const isOslo = codec === 'oslo';
  add(parts, publisher, 'transitions', {
    address: isOslo ? `${transitions.topic}.info` : transitions.topic,
    summary: 'Changes of status.',
    payload: isOslo ? osloNotification(transition) : transition,
  });
}

interface Published {
  readonly address: string;
  readonly summary: string;
  readonly payload: JsonSchema;
}

function add(
  { channels, operations }: Parts,
  { key, name, described: { bindings }, ownServers }: Publisher,
  what: 'notifications' | 'transitions',
  { address, summary, payload }: Published,
): void {
  const channel = `${key}.${what}`;
  channels[channel] = {
    address,
    summary,
    servers: ownServers,
    ...(bindings?.topic !== undefined && { bindings: bindings.topic }),
    messages: { [what]: { name: what, title: summary, contentType: 'application/json', payload } },
  };
  operations[`${channel}.send`] = {
    action: 'send',
    title: `${what} over ${name}`,
    summary,
    channel: reference('channels', channel),
  };
}

const nullable = (type: string): JsonSchema => ({ type: [type, 'null'] });

/** As migrations/0009_transitions-published.sql writes it. */
const transition = object(
  ['event', 'message_id', 'instance_id', 'old_status', 'new_status', 'sent', 'cause', 'changed_at'],
  {
    event: { const: 'instance.status' },
    message_id: { type: 'string' },
    instance_id: { type: 'string' },
    old_status: nullable('string'),
    new_status: nullable('string'),
    sent: nullable('number'),
    cause: { enum: ['heartbeat', 'sweep', 'other'] },
    changed_at: { type: 'string', format: 'date-time' },
  },
);

function osloNotification(payload: JsonSchema): JsonSchema {
  return object(['oslo.version', 'oslo.message'], {
    'oslo.version': { const: '2.0' },
    'oslo.message': {
      description: 'A JSON text. `x-schema` is its schema.',
      type: 'string',
      contentMediaType: 'application/json',
      'x-schema': object(['message_id', 'event_type', 'priority', 'payload'], {
        message_id: { type: 'string' },
        event_type: { type: 'string' },
        priority: { const: 'INFO' },
        payload,
      }),
    },
  });
}
