import { Rejected } from '../errors.ts';
import { isObject, type JsonObject, kindOf, parseObject, refuseHostile, textOf } from '../json.ts';
import type { Answer, Answered, Request, WireForm } from '../request.ts';
import type { Reply } from '../sending.ts';

/** The native form: `{"method", "args"}`; everything else rides in the protocol's own properties (docs/protocol.md). */
export const nativeForm: WireForm = {
  encode: ({ method, args }: Request) => Buffer.from(toJson(method, { method, args })),
  decodeReply,
  repliesByProperties: true,
};

/**
 * The part of encoding that both wire forms share: refuses what the conductor would refuse whatever the method, and what is
 * no JSON.
 */
export function toJson(method: string, message: JsonObject): string {
  if (method === '') throw new Rejected('unknown_method', 'method is empty');
  refuseHostile(message.args, 'args');
  try {
    return JSON.stringify(message);
  } catch (error) {
    throw new Rejected('bad_argument', `args cannot be written as JSON: ${error}`);
  }
}

/** Reads `{"result": <json>}` or `{"error": {"class", "message", "argument"?}}` (docs/protocol.md, calls). */
function decodeReply({ correlationId, body }: Reply): Answered | undefined {
  if (correlationId === undefined) return undefined;
  return { correlationId, answer: answerOf(parseObject(textOf(body), 'the reply')) };
}

function answerOf(reply: JsonObject): Answer {
  const { error } = reply;
  if (error === undefined) {
    if (!Object.hasOwn(reply, 'result'))
      throw new Rejected('bad_envelope', 'the reply has neither result nor error');
    return { kind: 'result', result: reply.result };
  }
  if (!isObject(error)) throw new Rejected('bad_envelope', `error is ${kindOf(error)}, not an object`);
  return {
    kind: 'error',
    class: textAt(error, 'class', 'Error'),
    message: textAt(error, 'message', ''),
    argument: typeof error.argument === 'string' ? error.argument : undefined,
  };
}

/** The text under a key, or another where there is none. */
export function textAt(object: JsonObject, key: string, otherwise: string): string {
  const value = object[key];
  return typeof value === 'string' ? value : otherwise;
}
