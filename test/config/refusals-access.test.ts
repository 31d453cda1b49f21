import test from 'ava';
import { edge, minimal, rabbit, refusal } from './support.ts';

/** Refusals of `models`, `services` and a transport's `auth`, each in one line that names the key. */

for (const [what, text, message] of [
  [
    'a model without a table',
    `${minimal}\nmodels: { instance: { read: '*' } }`,
    'models.instance.table: must be the name of a table, or schema.table',
  ],
  [
    'a model with an unknown key',
    `${minimal}\nmodels: { instance: { table: instances, reed: '*' } }`,
    'models.instance.reed: unknown key; expected one of table, read, write, tenant; did you mean read?',
  ],
  [
    'columns that are a text',
    `${minimal}\nmodels: { instance: { table: instances, read: name } }`,
    "models.instance.read: must be '*', a list of columns, or { except: a list of columns }, not a string",
  ],
  [
    'an asterisk in a list of columns',
    `${minimal}\nmodels: { instance: { table: instances, read: ['*'] } }`,
    "models.instance.read[0]: '*' stands alone, not in a list",
  ],
  [
    'columns that are excepted by a misspelt word',
    `${minimal}\nmodels: { instance: { table: instances, read: { exept: [encrypted_key] } } }`,
    'models.instance.read.exept: unknown key; expected one of except; did you mean except?',
  ],
  [
    'an exception of nothing',
    `${minimal}\nmodels: { instance: { table: instances, read: { except: } } }`,
    'models.instance.read.except: must be a list of columns, not null',
  ],
  ['models as a list', `${minimal}\nmodels: [instances]`, 'models: must be an object, not an array'],
  [
    'a service with an unknown key',
    `${minimal}\nservices: { api: { method: '*' } }`,
    'services.api.method: unknown key; expected one of methods, models, tenants; did you mean methods?',
  ],
  [
    'a service whose methods are a text',
    `${minimal}\nservices: { api: { methods: model_get } }`,
    "services.api.methods: must be '*' or a list, not a string",
  ],
  [
    'a service with a model that is not there',
    `${minimal}\nmodels: { instance: { table: instances } }\nservices: { api: { models: { backup: { read: '*' } } } }`,
    'services.api.models.backup: is not one of models: instance',
  ],
  [
    'a grant of a right that there is not',
    `${minimal}\nmodels: { instance: { table: instances } }\nservices: { api: { models: { instance: { create: true } } } }`,
    'services.api.models.instance.create: unknown key; expected one of read, write, delete',
  ],
  [
    'a grant to delete that is a text',
    `${minimal}\nmodels: { instance: { table: instances } }\nservices: { api: { models: { instance: { delete: 'no' } } } }`,
    'services.api.models.instance.delete: must be a boolean, not a string',
  ],
  [
    'an auth mode that the kind cannot prove',
    edge('auth: { mode: user-id }'),
    'transports.edge.auth.mode: must be one of none, subject, trove, hmac',
  ],
  [
    "Trove's keys for messages that Trove does not encrypt",
    edge('auth: { mode: trove, instRpcKeyEncrKey: a-key }'),
    'transports.edge.auth.mode: trove needs codec oslo, whose messages Trove encrypts',
  ],
  [
    "Trove's keys without the one that they are encrypted under",
    rabbit('codec: oslo\n    auth: { mode: trove }'),
    'transports.rabbit.auth.instRpcKeyEncrKey: is required with mode trove: inst_rpc_key_encr_key in trove.conf',
  ],
  [
    "a subject on Trove's queue",
    rabbit('codec: oslo', 'auth: { mode: subject }'),
    'transports.rabbit.routingKey: trove-conductor does not end with the sender, which auth.mode subject takes from there: end it with .*, as conductor.* does',
  ],
] as const) {
  test(`${what} is refused in one line that names it`, (t) => {
    t.is(refusal(text), message);
  });
}

for (const [what, key, given] of [
  ['a subject that does not name the sender, on RabbitMQ', 'routingKey', 'conductor.all'],
  ['a subject whose wildcard is not where the sender is, on RabbitMQ', 'routingKey', '*.conductor'],
  ['a topic that does not name the sender', 'topic', 'conductor/all'],
  ['a topic whose wildcard is not where the sender is', 'topic', 'conductor/+/reports'],
] as const) {
  test(`${what} is refused in one line that names it`, (t) => {
    const entry = [`${key}: '${given}'`, 'auth: { mode: subject }'];
    const [text, place, end] =
      key === 'topic' ? [edge(...entry), 'edge.topic', '/+'] : [rabbit(...entry), 'rabbit.routingKey', '.*'];
    t.is(
      refusal(text),
      `transports.${place}: ${given} does not end with the sender, which auth.mode subject takes from there: end it with ${end}, as conductor${end} does`,
    );
  });
}
