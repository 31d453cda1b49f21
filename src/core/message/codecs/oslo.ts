import { randomUUID } from 'node:crypto';
import { Rejected } from '../../errors.ts';
import { type JsonObject, jsonTypeOf, parseObject, textIn, trimmed } from '../../json.ts';
import type { Answer, CallAddress, Codec, Envelope } from '../envelope.ts';
import {
  type ContextNames,
  contextOf,
  readArgs,
  readMethod,
  readVersion,
  storableId,
  withExactNumbers,
} from './native.ts';
import { contextBegin, contextPrefix, innerBefore, repeatedBehindContext } from './oslo-context.ts';

export { contextPrefix };

/**
 * oslo.messaging's envelope 2.0 around its RPC message: `{"oslo.version": "2.0", "oslo.message": "<JSON string>"}`
 * (oslo_messaging/_drivers/common.py, `serialize_msg` and `deserialize_msg`). The inner object holds `method`, `args`,
 * `version`, `_unique_id`, the context as `_context_*` keys and, of a call, `_msg_id` and `_reply_q`.
 *
 * Trove's secure form encrypts the argument values per instance. trove-secure.ts unseals it before this codec reads the message.
 * Without that, an encrypted `instance_id` is refused as a bad argument.
 */
export const oslo: Codec = {
  callsAreInTheBody: true,

  decode(body, _, whole) {
    const span = trimmed(body);
    const cut = contextBegin(span);
    if (cut !== undefined && !whole) {
      try {
        const inner =
          innerBefore(span, cut) ??
          innerText(textIn({ bytes: span.bytes, begin: span.begin, end: cut }) + end);
        return read(inner, false, false);
      } catch (error) {
        // Either the cut was wrong or the message is bad. Reading the whole message decides it.
        if (!(error instanceof Rejected)) throw error;
      }
    }
    return read(innerText(textIn(span)), cut === undefined, whole);
  },

  encodeAnswer,
};

/** The end of the inner object, of its text and of the envelope. */
const end = '}"}';

/** @param isOpen whether keys other than the context's may follow the beginning of the context. */
function read(inner: string, isOpen: boolean, whole: boolean): Envelope {
  const message = parseObject(inner, 'oslo.message');
  const twice = isOpen ? repeatedBehindContext(inner) : undefined;
  if (twice !== undefined) {
    const name = JSON.stringify(twice.slice(0, 64));
    throw new Rejected(
      'bad_envelope',
      `oslo.message: the key ${name} is in the message twice: before the context and after its beginning`,
    );
  }
  const context = '_context_user' in message ? contextIn(message) : undefined;
  const isCall = whole && readCallAddress(message) !== undefined;
  return envelopeOf(isCall ? withExactNumbers(inner, message) : message, context);
}

/** The inner object: the message itself. Throws Rejected. */
export function parseMessage(text: string): JsonObject {
  return parseObject(innerText(text), 'oslo.message');
}

function innerText(text: string): string {
  const outer = parseObject(text, 'the body');
  const osloVersion = outer['oslo.version'];
  // A peer of the same major version is readable (`deserialize_msg`).
  if (typeof osloVersion !== 'string' || !osloVersion.startsWith('2.')) {
    const given =
      typeof osloVersion === 'string' ? JSON.stringify(osloVersion.slice(0, 32)) : jsonTypeOf(osloVersion);
    throw new Rejected('bad_envelope', `oslo.version is ${given}, not "2.0"`);
  }
  const inner = outer['oslo.message'];
  if (typeof inner !== 'string')
    throw new Rejected('bad_envelope', `oslo.message is ${jsonTypeOf(inner)}, not a string`);
  return inner;
}

/**
 * Reads the message. Throws Rejected.
 *
 * @param context the context without the prefix of its names.
 */
export function envelopeOf(message: JsonObject, context: JsonObject | undefined): Envelope {
  if (message.namespace !== undefined && message.namespace !== null) {
    throw new Rejected('unknown_method', 'the message names a namespace; the conductor has none');
  }
  return {
    method: readMethod(message),
    args: readArgs(message),
    version: readVersion(message),
    messageId: storableId(message._unique_id),
    sentRequired: false,
    context: context && contextOf(context, osloContextNames),
    call: readCallAddress(message),
  };
}

export const osloContextNames: ContextNames = { user: 'user', tenant: 'project_id', requestId: 'request_id' };

/** The context alone, without the prefix of its names. */
function contextIn(message: JsonObject): JsonObject {
  const entries = Object.entries(message).filter(([name]) => name.startsWith(contextPrefix));
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(contextPrefix.length), value]));
}

/** A message with `_msg_id` and `_reply_q` is a call (oslo_messaging/_drivers/amqpdriver.py, `AMQPDriverBase._send`). */
export function readCallAddress({ _msg_id: id, _reply_q: replyTo }: JsonObject): CallAddress | undefined {
  return typeof id === 'string' && typeof replyTo === 'string' ? { id, replyTo } : undefined;
}

/** The class and the module by which oslo.messaging names an error. */
const troveErrors = 'trove.common.exception';
const dispatcherErrors = 'oslo_messaging.rpc.dispatcher';
const modules: Readonly<Record<string, string>> = {
  NoSuchMethod: dispatcherErrors,
  UnsupportedVersion: dispatcherErrors,
};

/**
 * The reply that `AMQPIncomingMessage._send_reply` sends (oslo_messaging/_drivers/amqpdriver.py), with the failure as
 * `serialize_remote_exception` writes it (oslo_messaging/_drivers/common.py).
 */
function encodeAnswer({ id }: CallAddress, answer: Answer): Uint8Array {
  const message = {
    result: 'result' in answer ? (answer.result ?? null) : null,
    failure: 'error' in answer ? JSON.stringify(failureOf(answer.error)) : null,
    ending: true,
    _msg_id: id,
    _unique_id: randomUUID().replaceAll('-', ''),
  };
  return osloBody(message);
}

/** The envelope around a message (oslo_messaging/_drivers/common.py, `serialize_msg`). */
export function osloBody(message: object): Uint8Array {
  return Buffer.from(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) }));
}

function failureOf({ class: name, message, argument }: Extract<Answer, { error: unknown }>['error']) {
  const module = modules[name] ?? troveErrors;
  return {
    class: name,
    module,
    message,
    tb: [`${name}: ${message}\n`],
    // The caller's side makes the exception of args and kwargs. oslo's exceptions take one text, Trove's a text and named values.
    args: [message],
    kwargs: module === troveErrors && argument !== undefined ? { argument } : {},
  };
}
