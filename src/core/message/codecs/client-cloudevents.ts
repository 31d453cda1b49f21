import { Rejected } from '../../errors.ts';
import { isObject, jsonTypeOf, parseObject, textOf } from '../../json.ts';
import type { Answered, Reply, Request, WireForm } from '../request.ts';
import { answerOf, toJson } from './client-native.ts';
import { structuredJson } from './cloudevents-binary.ts';

/** The prefix of the types of our events. The conductor takes any. */
const typePrefix = 'conductor.';

/** CloudEvents 1.0 in structured mode (cloudevents.ts). */
export const cloudEventsForm: WireForm = {
  encode({ method, args, context = {}, messageId, call }: Request) {
    if (method.includes('.'))
      throw new Rejected('unknown_method', 'a method with a dot in its name cannot be the type of an event');
    const instance =
      typeof args.instance_id === 'string' && args.instance_id !== '' ? args.instance_id : undefined;
    const event = {
      specversion: '1.0',
      id: messageId,
      source: `/guests/${encodeURIComponent(instance ?? 'client')}`,
      type: `${typePrefix}${method}`,
      ...(instance !== undefined && { subject: instance }),
      time: new Date().toISOString(),
      datacontenttype: 'application/json',
      ...textsOf({ user: context.user, tenant: context.tenant, requestid: context.request_id }),
      ...(call !== undefined && { replyto: call.replyTo, correlationid: call.correlationId }),
      data: args,
    };
    return Buffer.from(toJson(method, args, event));
  },
  decodeReply,
  repliesByProperties: true,
  contentType: structuredJson,
};

/** An attribute is a text. */
function textsOf(attributes: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== '',
    ),
  );
}

/** Reads an event whose data is the answer of the native form. */
function decodeReply(reply: Reply): Answered | undefined {
  const event = parseObject(textOf(reply.body), 'the reply');
  const correlationId = reply.correlationId ?? event.correlationid;
  if (typeof correlationId !== 'string') return undefined;
  if (!isObject(event.data))
    throw new Rejected('bad_envelope', `data is ${jsonTypeOf(event.data)}, not an object`);
  return { correlationId, answer: answerOf(event.data) };
}
