import type { Codec, Context, Envelope } from '../envelope.ts';
import { Rejected } from '../errors.ts';
import { isObject, type JsonObject, kindOf, parseObject, refuseHostile, textOf } from '../json.ts';

/**
 * The native form: `{"method", "args", "version"?, "context"?}`. Message id, reply address and correlation id ride in the
 * protocol's own properties. The answer to a call is `{"result": ...}` or `{"error": {"class", "message", "argument"?}}`.
 */
export const native: Codec = {
  callsAreInTheBody: false,

  decode(body, { messageId, isCall }) {
    const message = parseObject(textOf(body), 'the body');
    return {
      ...readCall(message),
      messageId,
      sentRequired: true,
      context: readContext(message.context),
      call: isCall ? { replyTo: undefined, id: undefined } : undefined,
    };
  },

  encodeAnswer: (_, answer) =>
    Buffer.from(JSON.stringify('result' in answer ? { result: answer.result ?? null } : answer)),
};

function readContext(context: unknown): Context | undefined {
  if (context === undefined) return undefined;
  if (!isObject(context)) throw new Rejected('bad_envelope', `context is ${kindOf(context)}, not an object`);
  return contextOf(context, { user: 'user', tenant: 'tenant', requestId: 'request_id' });
}

export type ContextNames = Readonly<Record<Exclude<keyof Context, 'all'>, string>>;

/** Reads a context by the names that a wire form has for its parts; what is no text is left out. */
export function contextOf(from: JsonObject, names: ContextNames): Context {
  const text = (name: string) => {
    const value = from[name];
    return typeof value === 'string' ? value : undefined;
  };
  return { user: text(names.user), tenant: text(names.tenant), requestId: text(names.requestId), all: from };
}

/** The part that both wire forms share: method, args and version. */
export function readCall(message: Record<string, unknown>): Pick<Envelope, 'method' | 'args' | 'version'> {
  const { method, args, version } = message;
  if (typeof method !== 'string')
    throw new Rejected('bad_envelope', `method is ${kindOf(method)}, not a string`);
  if (!isObject(args)) throw new Rejected('bad_envelope', `args is ${kindOf(args)}, not an object`);
  if (version !== undefined && typeof version !== 'string') {
    throw new Rejected('bad_version', `version is ${kindOf(version)}, not a string such as "1.0"`);
  }
  refuseHostile(args, 'args');
  return { method, args, version };
}
