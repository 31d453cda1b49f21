import { Rejected } from '../../errors.ts';
import { isObject, type JsonObject, jsonTypeOf, parseObject, refuseHostile, textOf } from '../../json.ts';
import type { Answer } from '../envelope.ts';
import type { Answered, Reply, Request, WireForm } from '../request.ts';

/**
 * The native form: `{"method", "args", "context"?}`. The other values are in the protocol's own properties. If the protocol has none,
 * a call says them in its body as `message_id`, `reply_to` and `correlation_id` (docs/protocol.md).
 */
export const nativeForm: WireForm = {
  encode({ method, args, context, messageId, call }: Request) {
    const message = {
      method,
      args,
      ...(context !== undefined && { context }),
      ...(call !== undefined && {
        message_id: messageId,
        reply_to: call.replyTo,
        correlation_id: call.correlationId,
      }),
    };
    return Buffer.from(toJson(method, args, message));
  },
  decodeReply,
  repliesByProperties: true,
};

/**
 * The part of encoding that all wire forms share. Throws Rejected for a message that the conductor refuses under any method, and for
 * one that cannot be written as JSON.
 */
export function toJson(method: string, args: JsonObject, message: JsonObject): string {
  if (method === '') throw new Rejected('unknown_method', 'method is empty');
  refuseHostile(args, 'args');
  try {
    return JSON.stringify(message);
  } catch (error) {
    throw new Rejected('bad_argument', `args cannot be written as JSON: ${error}`);
  }
}

/** Reads `{"result": <json>}` or `{"error": {"class", "message", "argument"?}}` (docs/protocol.md, calls). */
function decodeReply(reply: Reply): Answered | undefined {
  const said = parseObject(textOf(reply.body), 'the reply');
  const correlationId = reply.correlationId ?? said.correlation_id;
  return typeof correlationId === 'string' ? { correlationId, answer: answerOf(said) } : undefined;
}

/** Reads `{"result"}` or `{"error"}`. Throws Rejected. */
export function answerOf(reply: JsonObject): Answer {
  const { error } = reply;
  if (error === undefined) {
    if (!Object.hasOwn(reply, 'result'))
      throw new Rejected('bad_envelope', 'the reply has neither result nor error');
    return { result: reply.result };
  }
  if (!isObject(error)) throw new Rejected('bad_envelope', `error is ${jsonTypeOf(error)}, not an object`);
  return {
    error: {
      class: textAt(error, 'class', 'Error'),
      message: textAt(error, 'message', ''),
      argument: typeof error.argument === 'string' ? error.argument : undefined,
    },
  };
}

/** The text under a key, or `otherwise` if there is none. */
export function textAt(object: JsonObject, key: string, otherwise: string): string {
  const value = object[key];
  return typeof value === 'string' ? value : otherwise;
}
