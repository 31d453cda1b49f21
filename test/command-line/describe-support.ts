import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { asyncApiDocument } from '../../src/commands/describe-document.ts';
import { loadSendingConfig } from '../../src/core/config/load.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { loadManager } from '../../src/workers/methods/load.ts';
import { configuration } from './support.ts';

/** Each kind of transport, with each codec and each form of proof. */
export const file = configuration(
  'manager: ./own.mjs',
  'notifications: { topic: notifications }',
  'transitions: { publish: edge, topic: changes }',
  'transports:',
  '  rabbit: { kind: amqp091, url: "amqps://guest:canary@mq:5671/vhost,amqp://mq2", exchange: ex, auth: { mode: subject } }',
  '  trove: { kind: amqp091, url: "amqp://guest:canary@mq", codec: oslo, auth: { mode: trove, instRpcKeyEncrKey: canary } }',
  '  one point oh: { kind: amqp10, url: "amqp://guest:canary@mq", target: "/exchange/conductor/conductor.{sender}" }',
  '  subjects: { kind: nats, url: "nats://canary@mq:4222", jetstream: false }',
  '  edge: { kind: mqtt, url: "mqtt://mq", password: canary, auth: { mode: subject } }',
  '  events: { kind: nats, url: "nats://mq:4222", codec: cloudevents }',
  '  old: { kind: mqtt, url: "mqtts://mq", version: 3.1.1, auth: { mode: hmac } }',
);
writeFileSync(
  join(dirname(file), 'own.mjs'),
  `const described = { summary: 'Notes.', args: { type: 'object', required: ['text'] } };
   export default {
     'take a note': { description: described, allowed: 'anyone', mutating: false, parse: (args) => args, run: async () => 1 },
     other: { parse: (args) => args, toWire: (args) => args, apply: async (db, batch) => batch.map(() => ({ kind: 'applied' })) },
   };`,
);

export async function describe(): Promise<JsonObject> {
  const config = await loadSendingConfig(file, {}, transportKinds);
  return asyncApiDocument(config, await loadManager(config.manager));
}
