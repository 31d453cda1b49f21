import type { AuthMode } from '../../core/config/schema-auth.ts';
import { messageOf, Rejected } from '../../core/errors.ts';
import { bufferOf, isObject, type JsonObject, jsonTypeOf } from '../../core/json.ts';
import { type CodecName, codecs } from '../../core/message/codecs/index.ts';
import type { Codec, Envelope } from '../../core/message/envelope.ts';
import { CALL, dead, deferred } from '../../core/message/outcome.ts';
import { type Span, wholeBody } from '../../core/span.ts';
import {
  type CallMethod,
  type CastMethod,
  type Manager,
  managerVersion,
  takesBatches,
} from '../methods/contract.ts';
import type { RawMessage } from '../raw-message.ts';
import type { WorkerSettings } from '../settings.ts';
import { authorize, principalOf } from './authorize.ts';
import type { BatchItem, Task } from './item.ts';

/**
 * Decodes one message, finds its principal, parses its arguments, and checks that the principal may send them. Returns CALL for a
 * call, which does not run in a batch.
 */
export function decode(
  raw: RawMessage,
  index: number,
  transport: string,
  manager: Manager,
  settings: WorkerSettings,
): BatchItem | typeof CALL {
  let decoded: Partial<Envelope> = nothing;
  const { unsealed } = raw;
  if (unsealed !== undefined && 'call' in unsealed && unsealed.call !== undefined) return CALL;
  try {
    if (unsealed !== undefined && 'waits' in unsealed) {
      decoded = { method: unsealed.waits.method };
      // An unknown method stays unknown, so the message must not wait for a key.
      methodNamed(unsealed.waits.method, manager);
      const { method } = unsealed.waits;
      return {
        index,
        transport,
        raw,
        method,
        messageId: undefined,
        task: deferred.unknown,
        sealed: unsealed.waits,
      };
    }
    const { codec, auth } = entryOf(transport, settings);
    // Not decoded here, since an unreadable call gets an answer too.
    if (!codec.callsAreInTheBody && raw.isCall) return CALL;
    refuseOversize(raw);
    let envelope = envelopeOf(raw, codec, false);
    if (envelope.call !== undefined) return CALL;
    decoded = envelope;
    const principal = principalOf(raw, auth, settings.access);
    const method = methodOf(envelope, manager);
    if (!takesBatches(method)) {
      throw new Rejected('not_a_cast', `${envelope.method} has an answer; the message has no reply address`);
    }
    if (method.needsContext === true) envelope = envelopeOf(raw, codec, true);
    const task = taskOf(envelope, method);
    authorize(principal, task, settings.access);
    const guest = principal.kind === 'guest' ? principal.id : undefined;
    return { index, transport, raw, guest, method: task.methodName, messageId: envelope.messageId, task };
  } catch (error) {
    // Decoding depends on the message alone. So an error of our own would come again at each try.
    const outcome =
      error instanceof Rejected
        ? dead(error.reason, error.message)
        : dead('crash', `reading the message failed: ${messageOf(error)}`);
    const { method, messageId, args, subject } = decoded;
    return { index, transport, raw, method, messageId, args: essence(args, subject), task: outcome };
  }
}

/** The parts of a message that could not be read. */
const nothing: Partial<Envelope> = {};

/** The argument that a dead letter shows. The whole arguments of a batch of large messages exceed the thread's memory. */
function essence(args: unknown, subject: Envelope['subject']): JsonObject | undefined {
  return isObject(args) ? { instance_id: args.instance_id ?? subject?.instance_id } : undefined;
}

/** The envelope: decoded from the body, or the result of unsealing. Throws Rejected. */
export function envelopeOf(raw: RawMessage, codec: Codec, whole: boolean): Envelope {
  const { unsealed } = raw;
  if (unsealed === undefined) return codec.decode(contentSpan(raw), raw, whole);
  if ('envelope' in unsealed) return unsealed.envelope;
  if ('rejected' in unsealed) throw unsealed.rejected;
  throw new Rejected('undecryptable', 'the message has not been unsealed');
}

/** The place of the plain body. Throws Rejected if it cannot be inflated. */
export function plainSpan(raw: RawMessage): Span {
  return raw.inflated === undefined ? raw : wholeBody(bufferOf(raw.inflated()));
}

/** The place of the plain body without the lines of a signature. Throws Rejected if it cannot be inflated. */
export function contentSpan(raw: RawMessage): Span {
  const { contentBegin = 0 } = raw;
  const span = plainSpan(raw);
  return contentBegin === 0 ? span : { bytes: span.bytes, begin: span.begin + contentBegin, end: span.end };
}

/** The codec and the auth mode of a transport. */
export function entryOf(
  transport: string,
  settings: WorkerSettings,
): { readonly codec: Codec; readonly codecName: CodecName; readonly auth: AuthMode } {
  const entry = settings.transports[transport];
  if (entry === undefined) throw new Error(`no transport is named ${transport}`);
  return { codec: codecs[entry.codec], codecName: entry.codec, auth: entry.auth };
}

/** Throws Rejected if the body was too large to cross to the worker. */
export function refuseOversize({ oversize, begin, end }: RawMessage): void {
  if (oversize === undefined) return;
  throw new Rejected('too_large', `the body has ${oversize.size} bytes; the first ${end - begin} are kept`);
}

/** Looks up the method and checks the version that the sender asks for. Throws Rejected. */
export function methodOf({ method: name, version }: Envelope, manager: Manager): CastMethod | CallMethod {
  const method = methodNamed(name, manager);
  if (version !== undefined) checkVersion(version);
  return method;
}

function methodNamed(name: string, manager: Manager): CastMethod | CallMethod {
  const method = Object.hasOwn(manager, name) ? manager[name] : undefined;
  if (method === undefined) {
    throw new Rejected(
      'unknown_method',
      `${JSON.stringify(name.slice(0, 64))} is not a method of this conductor`,
    );
  }
  return method;
}

/** Parses the arguments. Throws Rejected. */
export function taskOf(envelope: Envelope, method: CastMethod): Task {
  const { method: methodName, args, subject } = envelope;
  if (!isObject(args)) throw new Rejected('bad_envelope', `args is ${jsonTypeOf(args)}, not an object`);
  if (subject !== undefined) complete(args, subject);
  return { methodName, method, args: method.parse(args, envelope) };
}

/** Adds what the wire form itself names, where the arguments lack it. They are not copied: they may have a megabyte of keys. */
function complete(args: JsonObject, { instance_id, sent }: NonNullable<Envelope['subject']>): void {
  if (args.instance_id === undefined && instance_id !== undefined) args.instance_id = instance_id;
  if (args.sent === undefined && sent !== undefined) args.sent = sent;
}

/** Nearly every message asks for this version, so a comparison saves the pattern. */
const newestVersion = `${managerVersion.major}.${managerVersion.minor}`;

/** As oslo.messaging's dispatcher does: the major must be ours, the minor not above ours. */
function checkVersion(version: string): void {
  if (version === newestVersion) return;
  const { major, minor } = managerVersion;
  const match = /^(\d{1,9})\.(\d{1,9})$/.exec(version);
  if (match === null || Number(match[1]) !== major || Number(match[2]) > minor) {
    throw new Rejected(
      'bad_version',
      `version ${JSON.stringify(version.slice(0, 32))} is asked for; this conductor speaks ${major}.0 to ${major}.${minor}`,
    );
  }
}
