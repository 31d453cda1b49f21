/** Messages that must never be applied, with the reason that their dead letters have to give. */
import type { DeadReason } from '../../src/core/errors.ts';
import type { Message } from '../faults/brokers.ts';

export interface BadMessage extends Message {
  readonly what: string;
  readonly reason: DeadReason;
  /** What the operator has to read in the dead letter. */
  readonly detail: RegExp;
}

/** Whom the messages are about. */
export interface Subjects {
  readonly instance: string;
  readonly otherInstance: string;
  readonly otherBackup: string;
}

const sent = 1_700_000_000;
const long = 'x'.repeat(10_000);
const hugeBody = 16 * 1024 * 1024;
const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;

/** In native form, from a sender that the broker's own rules have proven. */
export function badNativeMessages({ instance, otherInstance, otherBackup }: Subjects): BadMessage[] {
  const bad = (
    what: string,
    body: string | Buffer,
    reason: DeadReason,
    detail: RegExp,
    sender = instance,
  ): BadMessage => ({ what, sender, body: Buffer.from(body), reason, detail });
  const heartbeat = (args: object, more: object = {}) =>
    JSON.stringify({
      method: 'heartbeat',
      args: { instance_id: instance, sent, payload: { service_status: 'running' }, ...args },
      ...more,
    });
  const backup = (args: object) =>
    JSON.stringify({ method: 'update_backup', args: { instance_id: instance, sent, ...args } });
  /** Text that JSON.stringify would not write. */
  const raw = (name: string, value: string) =>
    `{"method":"heartbeat","args":{"instance_id":"${instance}","payload":{},"sent":${sent},"${name}":${value}}}`;
  return [
    bad('no body', '', 'empty', /empty/),
    bad('no JSON', 'running', 'not_json', /not JSON/),
    bad('half of a JSON text', heartbeat({}).slice(0, 50), 'not_json', /not JSON/),
    bad('bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), 'not_utf8', /UTF-8/),
    bad('a character cut in two', Buffer.from('{"é').subarray(0, 3), 'not_utf8', /UTF-8/),
    bad('an array', '[1, 2]', 'bad_envelope', /an array/),
    bad('null', 'null', 'bad_envelope', /null/),
    bad('a text', '"heartbeat"', 'bad_envelope', /a string/),
    bad('no method', '{"args": {}}', 'bad_envelope', /method is missing/),
    bad('a number as method', '{"method": 5, "args": {}}', 'bad_envelope', /method is a number/),
    bad('no args', '{"method": "heartbeat"}', 'bad_envelope', /args is missing/),
    bad('an array as args', '{"method": "heartbeat", "args": []}', 'bad_envelope', /args is an array/),
    bad('an unknown method', '{"method": "drop", "args": {}}', 'unknown_method', /"drop"/),
    bad(
      'a method of every object',
      '{"method": "constructor", "args": {}}',
      'unknown_method',
      /"constructor"/,
    ),
    bad('__proto__ as method', '{"method": "__proto__", "args": {}}', 'unknown_method', /"__proto__"/),
    bad('a long method', `{"method": "${long}", "args": {}}`, 'unknown_method', /"x{64}"/),
    bad('a later version', heartbeat({}, { version: '1.1' }), 'bad_version', /"1.1"/),
    bad('another major version', heartbeat({}, { version: '2.0' }), 'bad_version', /"2.0"/),
    bad('a number as version', heartbeat({}, { version: 1 }), 'bad_version', /a number/),
    bad('an unknown status', heartbeat({ payload: { service_status: 'fine' } }), 'bad_argument', /"fine"/),
    bad(
      'a number as status',
      heartbeat({ payload: { service_status: 1 } }),
      'bad_argument',
      /service_status is a number/,
    ),
    bad('no payload', heartbeat({ payload: undefined }), 'bad_argument', /payload is missing/),
    bad(
      'a long instance id',
      heartbeat({ instance_id: long }),
      'bad_argument',
      /instance_id has 10000 characters/,
    ),
    bad('no instance id', heartbeat({ instance_id: undefined }), 'bad_argument', /instance_id is missing/),
    bad(
      'an empty instance id',
      heartbeat({ instance_id: '' }),
      'bad_argument',
      /instance_id has 0 characters/,
    ),
    bad('a long backup id', backup({ backup_id: long }), 'bad_argument', /backup_id has 10000 characters/),
    bad(
      'a long state',
      backup({ backup_id: 'b', state: 'x'.repeat(33) }),
      'bad_argument',
      /state has 33 characters/,
    ),
    bad('no sent', heartbeat({ sent: undefined }), 'bad_argument', /sent is missing/),
    bad('null as sent', heartbeat({ sent: null }), 'bad_argument', /sent is null/),
    bad('a text as sent', heartbeat({ sent: '5' }), 'bad_argument', /sent is a string/),
    bad('1e400 as sent', raw('sent', '1e400'), 'bad_argument', /not finite/),
    bad('a NUL character', raw('note', '"a\\u0000b"'), 'bad_argument', /note holds a NUL/),
    bad(
      'a key __proto__',
      raw('payload', '{"__proto__": {"service_status": "running"}}'),
      'bad_argument',
      /__proto__/,
    ),
    bad('args nested deep', raw('payload', deep), 'bad_argument', /nested more than/),
    bad(
      'another instance',
      heartbeat({ instance_id: otherInstance }),
      'forbidden',
      new RegExp(otherInstance),
    ),
    bad('an unknown sender', heartbeat({ sent: sent + 1 }), 'forbidden', /^nobody sent/, 'nobody'),
    bad(
      'a foreign backup',
      backup({ backup_id: otherBackup, state: 'NEW' }),
      'foreign_backup',
      /another instance/,
    ),
    ...[1, 2, 3].map((n) =>
      bad(`a huge body, ${n}`, Buffer.alloc(hugeBody, `{"${n}`), 'too_large', /16777216 bytes/),
    ),
  ];
}

/** In the form of oslo.messaging. */
export function badOsloMessages({ instance }: Subjects): BadMessage[] {
  const bad = (what: string, body: object | string, reason: DeadReason, detail: RegExp): BadMessage => ({
    what,
    sender: instance,
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    reason,
    detail,
  });
  const wrap = (message: object) => ({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) });
  const args = { instance_id: instance, sent, payload: { service_status: 'running' } };
  return [
    bad('no body', '', 'empty', /empty/),
    bad('no envelope', { method: 'heartbeat', args }, 'bad_envelope', /oslo.version/),
    bad('another envelope version', { 'oslo.version': '3.0', 'oslo.message': '{}' }, 'bad_envelope', /"3.0"/),
    bad('no inner message', { 'oslo.version': '2.0' }, 'bad_envelope', /oslo.message is missing/),
    bad(
      'an object as inner message',
      { 'oslo.version': '2.0', 'oslo.message': {} },
      'bad_envelope',
      /an object/,
    ),
    bad(
      'no inner JSON',
      { 'oslo.version': '2.0', 'oslo.message': 'x' },
      'not_json',
      /oslo.message is not JSON/,
    ),
    bad('an inner array', { 'oslo.version': '2.0', 'oslo.message': '[]' }, 'bad_envelope', /an array/),
    bad('no method', wrap({ args }), 'bad_envelope', /method is missing/),
    bad('a namespace', wrap({ namespace: 'x', method: 'heartbeat', args }), 'unknown_method', /namespace/),
    bad('a later version', wrap({ method: 'heartbeat', args, version: '1.9' }), 'bad_version', /"1.9"/),
    bad(
      'encrypted arguments',
      wrap({ method: 'heartbeat', args: { instance_id: JSON.stringify({ entity: long }) } }),
      'bad_argument',
      /instance_id/,
    ),
  ];
}
