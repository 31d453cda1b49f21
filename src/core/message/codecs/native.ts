import { Rejected } from '../../errors.ts';
import { parseRemembering } from '../../exact-json.ts';
import { isObject, type JsonObject, jsonTypeOf, parseObject, refuseHostile, textIn } from '../../json.ts';
import type { Codec, RequestContext } from '../envelope.ts';

/**
 * The native form: `{"method", "args", "version"?, "context"?}`. Message id, reply address and correlation id are in the protocol's own
 * properties. If the protocol has none, as MQTT 3.1.1, the body may give them: `message_id`, `reply_to` and `correlation_id`. The
 * answer's body then repeats `correlation_id`. The answer to a call is `{"result": ...}` or
 * `{"error": {"class", "message", "argument"?}}`.
 */
export const native: Codec = {
  callsAreInTheBody: false,

  decode(body, { messageId, isCall }, whole) {
    const text = textIn(body);
    const message = parseObject(text, 'the body');
    const replyTo = readText(message, 'reply_to');
    const called = isCall || replyTo !== undefined;
    const call = called && whole ? withExactNumbers(text, message) : message;
    return {
      method: readMethod(call),
      args: readArgs(call),
      version: readVersion(call),
      messageId: storableId(messageId) ?? storableId(readText(message, 'message_id')),
      sentRequired: true,
      context: readContext(message.context),
      call: called ? { replyTo, id: readText(message, 'correlation_id') } : undefined,
    };
  },

  encodeAnswer({ id }, answer) {
    const said = 'result' in answer ? { result: answer.result ?? null } : answer;
    return Buffer.from(JSON.stringify(id === undefined ? said : { correlation_id: id, ...said }));
  },
};

function readText(message: JsonObject, name: string): string | undefined {
  const value = message[name];
  if (value === undefined || (typeof value === 'string' && value !== '')) return value;
  throw new Rejected(
    'bad_envelope',
    `${name} is ${value === '' ? 'empty' : jsonTypeOf(value)}, not a string`,
  );
}

/** Parses the message again and keeps each number as it was written. Only calls need it, since only they carry values of models. */
export function withExactNumbers(text: string, message: JsonObject): JsonObject {
  const remembering = parseRemembering(text);
  return isObject(remembering) ? remembering : message;
}

/** Undefined for an id that Postgres cannot store as text, since a repetition could not be found by it. */
export function storableId(id: unknown): string | undefined {
  return typeof id === 'string' && !id.includes('\0') && id.isWellFormed() ? id : undefined;
}

function readContext(context: unknown): RequestContext | undefined {
  if (context === undefined) return undefined;
  if (!isObject(context))
    throw new Rejected('bad_envelope', `context is ${jsonTypeOf(context)}, not an object`);
  return contextOf(context, { user: 'user', tenant: 'tenant', requestId: 'request_id' });
}

export type ContextNames = Readonly<Record<Exclude<keyof RequestContext, 'all'>, string>>;

/**
 * Reads a context under the names of a wire form. Leaves out parts that are no strings. Throws Rejected for values that are refused in
 * arguments too, since notifications carry the context unchanged.
 */
export function contextOf(from: JsonObject, names: ContextNames): RequestContext {
  refuseHostile(from, 'context');
  const text = (name: string) => {
    const value = from[name];
    return typeof value === 'string' ? value : undefined;
  };
  return { user: text(names.user), tenant: text(names.tenant), requestId: text(names.requestId), all: from };
}

/** The three parts that all wire forms share. Each reader throws Rejected. */

export function readMethod({ method }: JsonObject): string {
  if (typeof method === 'string') return method;
  throw new Rejected('bad_envelope', `method is ${jsonTypeOf(method)}, not a string`);
}

export function readArgs({ args }: JsonObject): JsonObject {
  if (!isObject(args)) throw new Rejected('bad_envelope', `args is ${jsonTypeOf(args)}, not an object`);
  refuseHostile(args, 'args');
  return args;
}

export function readVersion({ version }: JsonObject): string | undefined {
  if (version === undefined || typeof version === 'string') return version;
  throw new Rejected('bad_version', `version is ${jsonTypeOf(version)}, not a string such as "1.0"`);
}
