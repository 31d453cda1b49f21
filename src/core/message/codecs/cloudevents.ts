import { randomUUID } from 'node:crypto';
import { Rejected } from '../../errors.ts';
import { isObject, type JsonObject, jsonTypeOf, parseObject, textIn, textOf } from '../../json.ts';
import type { Codec, Envelope, RequestContext } from '../envelope.ts';
import { maxAttribute, structuredJson } from './cloudevents-binary.ts';
import { contextOf, readArgs, storableId, withExactNumbers } from './native.ts';

/**
 * CloudEvents 1.0 in structured mode, in the JSON format (CloudEvents specification 1.0.2; JSON event format 1.0.2). A transport makes
 * a structured event of one in binary mode (cloudevents-binary.ts).
 *
 * | attribute | meaning |
 * |---|---|
 * | `type` | the method is the part behind the last dot |
 * | `id` | the message id |
 * | `subject`, else the end of `source` | the instance, if the arguments do not name it |
 * | `time` | `sent`, if the arguments have none |
 * | `data` | the arguments |
 *
 * Extensions: `methodversion`, `user`, `tenant`, `requestid`; of a call without properties `replyto` and `correlationid`.
 */
export const cloudevents: Codec = {
  callsAreInTheBody: false,
  contentType: structuredJson,

  decode(body, { isCall }, whole) {
    const text = textIn(body);
    const event = parseObject(text, 'the event');
    checkVersion(event);
    const id = readAttribute(event, 'id');
    const source = readAttribute(event, 'source');
    const type = readAttribute(event, 'type');
    const replyTo = readOptional(event, 'replyto');
    const called = isCall || replyTo !== undefined;
    const args = dataOf(called && whole ? withExactNumbers(text, event) : event);
    return {
      method: type.slice(type.lastIndexOf('.') + 1),
      args: readArgs({ args }),
      version: readOptional(event, 'methodversion'),
      messageId: storableId(id),
      sentRequired: true,
      context: readContext(event),
      call: called ? { replyTo, id: readOptional(event, 'correlationid') } : undefined,
      subject: subjectOf(event, source),
    };
  },

  encodeAnswer({ id }, answer) {
    return Buffer.from(
      JSON.stringify({
        specversion: '1.0',
        id: randomUUID(),
        source: '/conductor',
        type: 'result' in answer ? 'conductor.answer' : 'conductor.error',
        time: new Date().toISOString(),
        datacontenttype: 'application/json',
        ...(id !== undefined && { correlationid: id }),
        data: 'result' in answer ? { result: answer.result ?? null } : answer,
      }),
    );
  },
};

/** Throws Rejected. A minor version would be compatible, but the specification has none. */
function checkVersion({ specversion }: JsonObject): void {
  if (specversion === '1.0') return;
  const given =
    typeof specversion === 'string' ? JSON.stringify(specversion.slice(0, 32)) : jsonTypeOf(specversion);
  throw new Rejected('bad_envelope', `specversion is ${given}, not "1.0"`);
}

function readAttribute(event: JsonObject, name: string): string {
  const value = readOptional(event, name);
  if (value === undefined) throw new Rejected('bad_envelope', `${name} is missing`);
  return value;
}

/** The value of an attribute; undefined if it is absent or null, which means the same (JSON event format, section 2.2). */
function readOptional(event: JsonObject, name: string): string | undefined {
  const value = event[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || value === '')
    throw new Rejected(
      'bad_envelope',
      `${name} is ${value === '' ? 'empty' : jsonTypeOf(value)}, not a string`,
    );
  if (value.length > maxAttribute)
    throw new Rejected('bad_envelope', `${name} has more than ${maxAttribute} characters`);
  return value;
}

/** The data, which has to be an object of JSON. Without data there are no arguments. Throws Rejected. */
function dataOf(event: JsonObject): JsonObject {
  const { data, data_base64: encoded } = event;
  if (data !== undefined && encoded !== undefined)
    throw new Rejected('bad_envelope', 'the event has data and data_base64');
  if (data === undefined && encoded === undefined) return {};
  const type = readOptional(event, 'datacontenttype');
  if (type !== undefined && !jsonType.test(type))
    throw new Rejected('bad_envelope', `datacontenttype is ${JSON.stringify(type.slice(0, 64))}, not JSON`);
  if (encoded !== undefined) {
    if (typeof encoded !== 'string')
      throw new Rejected('bad_envelope', `data_base64 is ${jsonTypeOf(encoded)}, not a string`);
    return parseObject(textOf(Buffer.from(encoded, 'base64')), 'data_base64');
  }
  if (isObject(data)) return data;
  throw new Rejected('bad_envelope', `data is ${jsonTypeOf(data)}, not an object`);
}

/** A media type of JSON, with any parameters. */
const jsonType = /^(?:application\/json|text\/json|[\w.!#$&^-]+\/[\w.!#$&^-]+\+json) *(?:;|$)/i;

/** The instance and the time that the attributes name. They count where the arguments lack them. Throws Rejected. */
function subjectOf(event: JsonObject, source: string): NonNullable<Envelope['subject']> {
  const instance = readOptional(event, 'subject') ?? (source.split(/[/:]/).at(-1) || undefined);
  const time = readOptional(event, 'time');
  return {
    ...(instance !== undefined && { instance_id: instance }),
    ...(time !== undefined && { sent: secondsOf(time) }),
  };
}

/** A time of RFC 3339, as the attribute `time` has to be. */
const rfc3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,12})?(Z|[+-]\d\d:\d\d)$/i;

/** Seconds since the epoch. JavaScript's own parser keeps milliseconds only. Throws Rejected. */
function secondsOf(time: string): number {
  const [, whole = '', fraction = '', zone = ''] = rfc3339.exec(time) ?? [];
  const seconds = Date.parse(`${whole}${zone}`.toUpperCase()) / 1000;
  if (Number.isNaN(seconds))
    throw new Rejected(
      'bad_envelope',
      `time is ${JSON.stringify(time.slice(0, 64))}, not a time such as 2026-11-27T09:14:50.635Z`,
    );
  return seconds + Number(`0${fraction}`);
}

function readContext(event: JsonObject): RequestContext | undefined {
  const { user, tenant, requestid } = event;
  if (user === undefined && tenant === undefined && requestid === undefined) return undefined;
  const all = {
    user: readOptional(event, 'user'),
    tenant: readOptional(event, 'tenant'),
    request_id: readOptional(event, 'requestid'),
  };
  return contextOf(all, { user: 'user', tenant: 'tenant', requestId: 'request_id' });
}
