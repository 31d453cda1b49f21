import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ava, { type ExecutionContext } from 'ava';
import { schemaDocument } from '../../src/commands/describe-schemas.ts';
import { isObject, type JsonObject } from '../../src/core/json.ts';
import { type CodecName, wireForms } from '../../src/core/message/codecs/index.ts';
import { createManager } from '../../src/workers/methods/table.ts';
import { bareEnvironment } from '../support/processes.ts';
import { compile } from '../support/schemas.ts';
import { describe, file } from './describe-support.ts';
import { configuration, runHere } from './support.ts';

const test = ava.serial;
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** Follows names into a document. */
function at(document: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), document);
}

test('each call has an operation with its answer, and the place of its reply address', async (t) => {
  const document = await describe();
  const operation = (key: string) => at(document, 'operations', key, 'reply');
  t.like(operation('rabbit.ping'), {
    address: { location: '$message.header#/reply_to' },
    messages: [{ $ref: '#/channels/rabbit.answers/messages/ping' }],
  });
  t.like(operation('old.ping'), { address: { location: '$message.payload#/reply_to' } });
  t.like(operation('edge.take_a_note'), { address: { location: '$message.header#/responseTopic' } });
  const casts = at(document, 'operations', 'edge.casts', 'messages');
  t.deepEqual(
    casts,
    ['heartbeat', 'update_backup', 'report_root', 'notify_exc_info', 'notify_end', 'other'].map((name) => ({
      $ref: `#/channels/edge/messages/${name}`,
    })),
  );
});

test('a bindings entry names the exchange of AMQP 0-9-1, and the queue group of NATS', async (t) => {
  const document = await describe();
  t.like(at(document, 'channels', 'rabbit', 'bindings', 'amqp'), {
    is: 'routingKey',
    exchange: { name: 'ex', type: 'topic', durable: true },
  });
  t.like(at(document, 'channels', 'trove', 'bindings', 'amqp', 'exchange'), {
    name: 'trove',
    durable: false,
  });
  t.like(at(document, 'operations', 'subjects.casts', 'bindings', 'nats'), { queue: 'conductors' });
  t.like(at(document, 'operations', 'edge.casts', 'bindings', 'mqtt'), { qos: 1 });
});

/** The schema of a message, with all that it refers to; of oslo's form that of the inner message. */
function schemaOf(document: JsonObject, transport: string, method: string): JsonObject {
  const payload = at(document, 'channels', transport, 'messages', method, 'payload');
  const inner = at(payload, 'properties', 'oslo.message', 'x-schema');
  const schema = isObject(inner) ? inner : payload;
  if (!isObject(schema)) throw new Error(`${transport} has no message ${method}`);
  return { ...schema, components: document.components };
}

/** Whether the document's schema accepts the message as the client writes it. */
function accepts(
  document: JsonObject,
  transport: string,
  codec: CodecName,
  method: string,
  args: JsonObject,
) {
  const body = wireForms[codec].encode({ method, args, messageId: 'm1' });
  const outer: JsonObject = JSON.parse(Buffer.from(body).toString());
  const inner = outer['oslo.message'];
  const matches = compile(schemaOf(document, transport, 'heartbeat'), ['components']);
  return matches(typeof inner === 'string' ? JSON.parse(inner) : outer);
}

test('the schema of a payload accepts the message as a client sends it, and no other method', async (t) => {
  const document = await describe();
  const args = { instance_id: 'i1', sent: 1, payload: { service_status: 'running' } };
  for (const [transport, codec] of [
    ['edge', 'native'],
    ['trove', 'oslo'],
  ] as const) {
    t.true(accepts(document, transport, codec, 'heartbeat', args), transport);
    t.false(accepts(document, transport, codec, 'ping', args), transport);
    t.false(accepts(document, transport, codec, 'heartbeat', { ...args, instance_id: 1 }), transport);
    const { sent: _, ...withoutSent } = args;
    t.is(accepts(document, transport, codec, 'heartbeat', withoutSent), codec === 'oslo', transport);
  }
});

test('the schema of an event accepts it as a client sends it, and names the schema of its data', async (t) => {
  const document = await describe();
  const schema = schemaOf(document, 'events', 'heartbeat');
  const matches = compile(schema, ['components'], ['date-time']);
  const eventOf = (method: string) => {
    const body = wireForms.cloudevents.encode({ method, args: { instance_id: 'i1' }, messageId: 'm1' });
    const event: JsonObject = JSON.parse(Buffer.from(body).toString());
    return event;
  };
  t.true(matches(eventOf('heartbeat')), JSON.stringify(matches.errors));
  t.true(matches({ ...eventOf('heartbeat'), type: 'com.example.heartbeat' }));
  t.false(matches({ ...eventOf('heartbeat'), type: 'com.example.my_heartbeat' }));
  t.false(matches(eventOf('ping')));
  t.deepEqual(at(schema, 'properties', 'data', 'x-schema'), { $ref: '#/components/schemas/heartbeat.args' });
});

test('describe --schemas prints one JSON Schema, which has each method', (t) => {
  const manager = createManager();
  const document = schemaDocument(manager);
  t.notThrows(() => compile(document));
  for (const name of Object.keys(manager)) {
    for (const part of ['args', 'result'])
      t.truthy(at(document, 'definitions', `${name}.${part}`), `${name}.${part}`);
    t.is(typeof at(document, 'definitions', `${name}.args`, 'description'), 'string');
  }
});

async function printed(t: ExecutionContext, ...flags: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [main, 'describe', file, ...flags], {
    env: bareEnvironment(),
    maxBuffer: 10_000_000,
  });
  t.is(stderr, '');
  t.notRegex(stdout, /canary/);
  return stdout;
}

test('the command prints the whole document into a pipe, as JSON or YAML, without a secret', async (t) => {
  const json = await printed(t, '--json');
  t.true(json.length > 2 * 65_536);
  t.deepEqual(JSON.parse(json), JSON.parse(JSON.stringify(await describe())));
  t.regex(await printed(t), /^asyncapi: 3\.0\.0\n/);
  const schemas: unknown = JSON.parse(await printed(t, '--schemas', '--json'));
  t.deepEqual(at(schemas, 'definitions', 'take_a_note.args', 'required'), ['text']);
});

test('a description that is none is refused, and the error names the module, method and key', async (t) => {
  const broken = configuration('manager: ./own.mjs');
  writeFileSync(
    join(dirname(broken), 'own.mjs'),
    `export default { note: { description: { summary: 1 }, allowed: 'anyone', mutating: false, parse() {}, run() {} } };`,
  );
  const { code, errors } = await runHere(['describe', broken]);
  t.is(code, 2);
  t.is(errors.length, 1);
  t.regex(errors[0] ?? '', /own\.mjs: note\.description\.summary is a number: write a sentence \[manager\]$/);
});
