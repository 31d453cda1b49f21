import test from 'ava';
import fc from 'fast-check';
import { CALL } from '../../src/core/message/outcome.ts';
import { type BatchItem, isTask } from '../../src/workers/batch/item.ts';
import { decode } from '../../src/workers/batch/read.ts';
import { createManager } from '../../src/workers/methods/table.ts';
import type { RawMessage } from '../../src/workers/raw-message.ts';
import { cpuOf } from '../support/cpu.ts';
import { raw, workerSettings } from '../support/worker.ts';

const manager = createManager();

/** Any message is read or dead for a reason; nothing is thrown, and no body takes long. */

const settings = workerSettings('', {
  transports: {
    plain: { codec: 'native', auth: 'none' },
    oslo: { codec: 'oslo', auth: 'none' },
    event: { codec: 'cloudevents', auth: 'none' },
  },
});
type Form = 'plain' | 'oslo' | 'event';
const forms: ReadonlyArray<Form> = ['plain', 'oslo', 'event'];

function read(rawMessage: RawMessage, form: Form): BatchItem | typeof CALL {
  return decode(rawMessage, 0, form, manager, settings);
}

function outcomeOf(work: BatchItem | typeof CALL): string {
  if (work === CALL) return 'call';
  if (isTask(work.task)) return 'task';
  return work.task.kind === 'dead' ? `dead: ${work.task.reason}: ${work.task.detail}` : work.task.kind;
}

/** A message in the form of a transport; the rest of the message is given as JSON's text. */
function bodyOf(form: Form, method: string, args: string, rest = ''): Buffer {
  if (form === 'event')
    return Buffer.from(
      `{"specversion": "1.0", "id": "m", "source": "s", "type": ${JSON.stringify(method)}, "data": ${args}${rest}}`,
    );
  const message = `{"method": ${JSON.stringify(method)}, "args": ${args}${rest}}`;
  return Buffer.from(
    form === 'plain' ? message : JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': message }),
  );
}

const milliseconds = 'bad_argument: args.sent is in milliseconds; send seconds since the epoch';

for (const form of forms) {
  for (const method of ['heartbeat', 'update_backup']) {
    const args = (sent: number | string) =>
      `{"instance_id": "i", "backup_id": "b", "sent": ${sent}, "payload": {"service_status": "running"}}`;

    test(`${method} in form ${form}: sent in milliseconds is refused by name`, (t) => {
      const now = 1_795_397_690.635;
      for (const sent of [now * 1e3, Math.floor(now * 1e3), now * 1e6, now * 1e9, '1e12'])
        t.is(
          outcomeOf(read(raw(bodyOf(form, method, args(sent))), form)),
          `dead: ${milliseconds}`,
          `${sent}`,
        );
      for (const sent of [now, 0, -1, 4e9, 1e11])
        t.is(outcomeOf(read(raw(bodyOf(form, method, args(sent))), form)), 'task', `${sent}`);
    });
  }
}

test('an id that cannot be stored as a text is ignored', (t) => {
  const args = '{"instance_id": "i", "sent": 1, "payload": {}}';
  for (const id of ['a\\u0000b', '\\u0000', '\\ud800', 'a\\udc00b']) {
    const inBody = read(raw(bodyOf('plain', 'heartbeat', args, `, "message_id": "${id}"`)), 'plain');
    const inOslo = read(raw(bodyOf('oslo', 'heartbeat', args, `, "_unique_id": "${id}"`)), 'oslo');
    for (const work of [inBody, inOslo]) {
      if (work === CALL) throw new Error('it is a cast');
      t.is(outcomeOf(work), 'task');
      t.is(work.messageId, undefined);
    }
  }
  const work = read(raw(bodyOf('plain', 'heartbeat', args), { messageId: 'a\0b' }), 'plain');
  t.is(work === CALL ? CALL : work.messageId, undefined);
});

test('a decoded message keeps only the arguments that a dead letter stores', (t) => {
  const args = `{"instance_id": "i", "sent": 1, "payload": {"x": [${'{}, '.repeat(60_000)}0]}}`;
  for (const form of forms) {
    for (const method of ['heartbeat', 'nope']) {
      const work = read(raw(bodyOf(form, method, args, ', "message_id": "m", "_unique_id": "m"')), form);
      if (work === CALL) throw new Error('it is a cast');
      t.like(work, { method, messageId: 'm', args: method === 'nope' ? { instance_id: 'i' } : undefined });
    }
  }
});

/** JSON as a text, with what JSON.stringify would not write. */
const hostileJson = fc
  .letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'medium' },
      fc.constantFrom(
        'null',
        'true',
        '1e400',
        '-1e400',
        '-0',
        '9007199254740993',
        '1E5',
        '0.10',
        '9'.repeat(400),
      ),
      fc.constantFrom('"\\u0000"', '"\\ud800"', '"\\udc00x"', '""', '"running"', '"toString"', '"__proto__"'),
      fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
      fc.array(tie('value'), { maxLength: 4 }).map((values) => `[${values.join(', ')}]`),
      fc
        .array(fc.tuple(tie('name'), tie('value')), { maxLength: 4 })
        .map((entries) => `{${entries.map(([name, value]) => `${name}: ${value}`).join(', ')}}`),
    ),
    name: fc.oneof(
      fc.constantFrom(
        ...['"__proto__"', '"constructor"', '"toString"', '"hasOwnProperty"', '"\\u0000"', '"\\ud800"', '""'],
        ...['"instance_id"', '"sent"', '"payload"', '"service_status"', '"user"', '"exception"', '"message"'],
        ...['"serialized_notification"', '"notification_args"', '"instance_id"', '"server_type"', '"roles"'],
      ),
      fc.string().map((text) => JSON.stringify(text)),
    ),
  }))
  .value.map(String);

const names = fc.constantFrom(
  ...['method', 'args', 'version', 'context', 'message_id', 'reply_to', 'correlation_id', '__proto__'],
  ...['subject', 'time', 'data', 'data_base64', 'datacontenttype', 'id', 'source', 'type', 'replyto', 'user'],
  ...['_unique_id', '_msg_id', '_reply_q', 'namespace', '_context_user', '_context_request_id', '_timeout'],
);
const methods = fc
  .constantFrom(...Object.keys(manager), '__proto__', 'constructor', '')
  .map((name) => JSON.stringify(name));

test('any JSON message is read, is a call or is dead; the reader does not throw, and no message is a crash', (t) => {
  const property = fc.property(
    methods,
    hostileJson,
    fc.array(fc.tuple(names, hostileJson), { maxLength: 6 }),
    fc.boolean(),
    (method, args, rest, isLast) => {
      const plausible = [`"method": ${method}`, `"args": ${args}`];
      const others = rest.map(([name, value]) => `"${name}": ${value}`);
      const message = `{${(isLast ? [...others, ...plausible] : [...plausible, ...others]).join(', ')}}`;
      for (const form of forms) {
        const event = message.replace('"method"', '"type"').replace('"args"', '"data"').slice(1);
        const body =
          form === 'event'
            ? `{"specversion": "1.0", "id": "m", "source": "s", ${event}`
            : form === 'plain'
              ? message
              : JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': message });
        const outcome = outcomeOf(read(raw(body), form));
        t.regex(outcome, /^(task|call|dead: )/);
        t.notRegex(outcome, /crash/, message);
      }
    },
  );
  fc.assert(property, { numRuns: 1500 });
});

test('any bytes are read, are a call or are dead; the reader does not throw, and no message is a crash', (t) => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom(
        '{',
        '}',
        '"',
        '\\"',
        '"}"}',
        ', \\"_context_',
        '{"oslo.version": "2.0", "oslo.message": "',
        '{"specversion": "1.0", "id": "m", "source": "s", "type": "heartbeat", "data": ',
        '\0',
        '\ufeff',
        ':',
        ',',
        '[',
      )
      .map((text) => Buffer.from(text)),
  );
  const property = fc.property(fc.array(piece, { maxLength: 20 }), fc.boolean(), (pieces, isCall) => {
    for (const form of forms) {
      const outcome = outcomeOf(read(raw(Buffer.concat(pieces), { isCall }), form));
      t.regex(outcome, /^(task|call|dead: )/);
      t.notRegex(outcome, /crash/);
    }
  });
  fc.assert(property, { numRuns: 1500 });
});

const million = 1_000_000;
const times = (text: string) => text.repeat(million / text.length);
const within = (form: Form, value: string) => bodyOf(form, 'heartbeat', `{"x": ${value}}`);
const keys = (prefix: string) =>
  Array.from({ length: 70_000 }, (_, index) => `"${prefix}${index}": 0`).join(', ');

const large: ReadonlyArray<readonly [what: string, make: (form: Form) => Buffer]> = [
  ['brackets that are never closed', () => Buffer.from(times('['))],
  ['braces that are never closed', () => Buffer.from(times('{"a":'))],
  ['quotes', () => Buffer.from(times('"'))],
  ['backslashes', () => Buffer.from(times('\\'))],
  ['NULs', () => Buffer.alloc(million)],
  ['NULs behind a message', (form) => Buffer.concat([within(form, '1'), Buffer.alloc(million)])],
  ['blanks', () => Buffer.from(times(' '))],
  ['lists within lists', (form) => within(form, '['.repeat(100_000) + ']'.repeat(100_000))],
  ['a list of numbers', (form) => within(form, `[${times('0,')}0]`)],
  ['a list of texts', (form) => within(form, `[${'"",'.repeat(300_000)}0]`)],
  ['a list of objects', (form) => within(form, `[${'{},'.repeat(300_000)}0]`)],
  ['keys', (form) => bodyOf(form, 'heartbeat', `{${keys('k')}}`)],
  ['keys beside the method', (form) => bodyOf(form, 'heartbeat', '{}', `, "_context_a": 1, ${keys('k')}`)],
  ['the same key', (form) => bodyOf(form, 'heartbeat', `{${'"a": 0,'.repeat(140_000)} "b": 1}`)],
  ['digits', (form) => within(form, times('9'))],
  ['escapes', (form) => within(form, `"${'\\u0041'.repeat(150_000)}"`)],
  ['beginnings of a context', () => Buffer.from(`${', \\"_context_'.repeat(75_000)}"}"}`)],
  ['a context', (form) => bodyOf(form, 'heartbeat', '{}', `, ${keys('_context_')}`)],
  ['a method', (form) => bodyOf(form, times('x'), '{}')],
  ['a version', (form) => bodyOf(form, 'heartbeat', '{}', `, "version": "${times('1')}"`)],
];

for (const [what, make] of large) {
  for (const form of forms) {
    test(`a megabyte of ${what} takes less than 50 ms of CPU, in form ${form}`, (t) => {
      const rawMessage = raw(make(form));
      const reading = () => t.regex(outcomeOf(read(rawMessage, form)), /^dead: (?!crash)/);
      const cost = cpuOf(reading, { bound: 50 });
      t.true(cost < 50, `${cost} ms`);
    });
  }
}
