import test from 'ava';
import { baseSchema } from '../../src/core/config/schema.ts';
import { mqttSchema } from '../../src/transports/mqtt/options.ts';
import { edge, kindNames, minimal, rabbit, refusal } from './support.ts';

/** What is refused, each in one line that names the key and what was expected. */

const keys = [...Object.keys(baseSchema), 'transports'].join(', ');
const mqttKeys = Object.keys(mqttSchema).join(', ');

for (const [what, text, message] of [
  [
    'an unknown key at the top',
    `${minimal}\nworker: 1`,
    `worker: unknown key; expected one of ${keys}; did you mean workers?`,
  ],
  [
    'an unknown key in a section',
    'database: { url: postgresql://db/trove, user: eve }',
    'database.user: unknown key; expected one of url, passwordFile, connectTimeout, statementTimeout, lockTimeout, idleInTransactionTimeout, synchronousCommit, durability, preparedStatements',
  ],
  [
    'an unknown key in a transport',
    edge('ulr: mqtt://mq'),
    `transports.edge.ulr: unknown key; expected one of ${mqttKeys}; did you mean url?`,
  ],
  [
    'an unknown key in a section of a transport',
    edge('auth: { modus: subject }'),
    'transports.edge.auth.modus: unknown key; expected one of mode, iKnow, instRpcKeyEncrKey, maxAge, key, keyFile',
  ],
  [
    'an option of another kind',
    edge('queue: conductor'),
    `transports.edge.queue: unknown key; expected one of ${mqttKeys}`,
  ],
  [
    'one transport for transports',
    `${minimal}\ntransport: { edge: { kind: mqtt } }`,
    `transport: unknown key; expected one of ${keys}; did you mean transports?`,
  ],
  [
    'a key in other letters',
    'DataBase: { url: postgresql://db/trove }',
    `DataBase: unknown key; expected one of ${keys}; did you mean database?`,
  ],
  [
    'a key whose colon has no space behind it',
    'database: { url:postgresql://u:secret@db/trove }',
    'database.url…: unknown key; expected one of url, passwordFile, connectTimeout, statementTimeout, lockTimeout, idleInTransactionTimeout, synchronousCommit, durability, preparedStatements',
  ],
  [
    'a tab that indents',
    'database:\n\turl: postgresql://db/trove',
    'conductor.yaml is not YAML: Tabs are not allowed as indentation at line 2, column 1',
  ],
  ['a key __proto__', `${minimal}\n__proto__: { log: 1 }`, `__proto__: unknown key; expected one of ${keys}`],
  ['a text for a number', `${minimal}\nmaxInFlight: '400'`, 'maxInFlight: must be a number, not a string'],
  [
    'a time with a unit',
    `${minimal}\nshutdown: { deadline: 20s }`,
    'shutdown.deadline: must be a number, not a string; it is in milliseconds, such as 20000',
  ],
  [
    'a time with a unit for an option that may be 0',
    `${minimal}\npark: { after: 5m }`,
    'park.after: must be a number, not a string; it is in milliseconds, such as 300000',
  ],
  [
    'a list for a time',
    `${minimal}\nshutdown: { deadline: [] }`,
    'shutdown.deadline: must be a number, not an array',
  ],
  [
    'a text for a yes or no',
    `${minimal}\nguests: { autoRegister: 'no' }`,
    'guests.autoRegister: must be a boolean, not a string',
  ],
  [
    'nothing for a number',
    `${minimal}\nworkers: { threads: }`,
    'workers.threads: must be a number, not null',
  ],
  [
    'a number for a section',
    `${minimal}\nworkers: 4`,
    'workers: must be a map of keys to values, not a number',
  ],
  [
    'a list for a section',
    `${minimal}\nworkers: [4]`,
    'workers: must be a map of keys to values, not an array',
  ],
  ['a fraction', `${minimal}\nmaxInFlight: 1.5`, 'maxInFlight: must be a whole number above 0'],
  ['zero', `${minimal}\nworkers: { maxBatch: 0 }`, 'workers.maxBatch: must be a whole number above 0'],
  ['no end of messages', `${minimal}\nmaxInFlight: .inf`, 'maxInFlight: must be a whole number above 0'],
  [
    'a time that no timer can wait',
    `${minimal}\nshutdown: { deadline: 2147483648 }`,
    'shutdown.deadline: must be a whole number from 1 to 2147483647',
  ],
  [
    'a word that is not one of those that may be',
    `${minimal}\nlog: { level: verbose }`,
    'log.level: must be one of fatal, error, warn, info, debug, trace',
  ],
  ['an empty replica', `${minimal}\nreplica: ''`, 'replica: must be a text that is not empty'],
  [
    'no database',
    'maxInFlight: 10',
    'database.url: is required: a URL that starts with postgresql:// or postgres://',
  ],
  [
    'a database of another scheme',
    'database: { url: mysql://db/trove }',
    'database.url: must be a URL that starts with postgresql:// or postgres://',
  ],
  [
    'a URL without slashes',
    'database: { url: "postgresql:trove" }',
    'database.url: must be a URL that starts with postgresql:// or postgres://',
  ],
  [
    'a password with a bare %',
    'database: { url: "postgresql://conductor:50%@db/trove" }',
    'database.url: must have a % in its user or password written as %25',
  ],
  [
    'a transport without its URL',
    `${minimal}\ntransports: { edge: { kind: mqtt } }`,
    'transports.edge.url: is required: a URL that starts with mqtt:// or mqtts:// or ws:// or wss://',
  ],
  [
    "a transport with another kind's URL",
    `${minimal}\ntransports: { edge: { kind: mqtt, url: amqp://mq } }`,
    'transports.edge.url: must be a URL that starts with mqtt:// or mqtts:// or ws:// or wss://',
  ],
  [
    'a transport without a kind',
    `${minimal}\ntransports: { edge: { url: mqtt://mq } }`,
    `transports.edge.kind: is required: one of ${kindNames}`,
  ],
  [
    'a transport of an unknown kind',
    `${minimal}\ntransports: { edge: { kind: kafka, url: mqtt://mq } }`,
    `transports.edge.kind: must be one of ${kindNames}`,
  ],
  [
    'a transport of a kind that every object has',
    `${minimal}\ntransports: { edge: { kind: constructor } }`,
    `transports.edge.kind: must be one of ${kindNames}`,
  ],
  [
    'a transport that is a text',
    `${minimal}\ntransports: { edge: mqtt://mq }`,
    'transports.edge: must be a map of keys to values, not a string',
  ],
  [
    'transports as a list',
    `${minimal}\ntransports: [{ kind: mqtt }]`,
    'transports: must be a map of names to transports, not an array',
  ],
  [
    'fewer messages than transports',
    `${rabbit()}\n  other: { kind: amqp091, url: amqp://mq }\nmaxInFlight: 1`,
    'maxInFlight: must be at least the number of transports, 2',
  ],
  [
    'fewer bytes than transports',
    `${rabbit()}\n  other: { kind: amqp091, url: amqp://mq }\nmaxInFlightBytes: 1`,
    'maxInFlightBytes: must be at least the number of transports, 2',
  ],
  [
    'a time without a sign of life that is too short',
    `${minimal}\nadopt: { after: 999 }`,
    'adopt.after: must be 0, or a whole number from 1000 to 604800000',
  ],
  [
    'changes of status over a transport that is not there',
    `${minimal}\ntransitions: { publish: nowhere }`,
    'transitions.publish: nowhere is not a transport',
  ],
  ['a list', '- 1', 'conductor.yaml: must be a map of keys to values, not an array'],
  [
    'a bracket that is not closed',
    'database: [1',
    'conductor.yaml is not YAML: Flow sequence in block collection must be sufficiently indented and end with a ] at line 1, column 13',
  ],
  [
    'a key that stands twice',
    `${minimal}\n${minimal}`,
    'conductor.yaml is not YAML: Map keys must be unique at line 2, column 1',
  ],
  [
    'a tag that nobody knows',
    `${minimal}\nreplica: !env HOST`,
    'conductor.yaml is not YAML: Unresolved tag: a text that begins with ! needs quotes at line 2, column 10',
  ],
  [
    'a key that is a list',
    '? [database]\n: 1',
    'conductor.yaml is not YAML: With stringKeys, all keys must be strings at line 1, column 3',
  ],
  [
    'an alias that leads nowhere',
    'replica: *name',
    'conductor.yaml is not YAML: Unresolved alias: a text that begins with * needs quotes',
  ],
  [
    'several documents',
    `${minimal}\n---\n${minimal}`,
    'conductor.yaml is not YAML: Source contains multiple documents; please use YAML.parseAllDocuments() at line 2, column 1',
  ],
] as const) {
  test(`${what} is refused in one line that names it`, (t) => {
    t.is(refusal(text), message);
  });
}

test('an empty file is refused, because it lacks the database', (t) => {
  t.regex(refusal(''), /^database\.url: is required/);
});
