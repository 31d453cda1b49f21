import type { AuthMode } from '../../core/config/transport-kind.ts';
import { messageOf, Rejected } from '../../core/errors.ts';
import { isObject, jsonTypeOf } from '../../core/json.ts';
import { codecs } from '../../core/message/codecs/index.ts';
import type { Codec, Envelope } from '../../core/message/envelope.ts';
import { CALL, dead, deferred } from '../../core/message/outcome.ts';
import {
  type CallMethod,
  type CastMethod,
  type Manager,
  managerVersion,
  takesBatches,
} from '../methods/contract.ts';
import { keptBody, type RawMessage } from '../raw-message.ts';
import type { WorkerSettings } from '../settings.ts';
import { authorize, principalOf } from './authorize.ts';
import type { BatchItem, Task } from './item.ts';

/**
 * Decodes one message, finds out who sent it, parses its arguments and checks that the sender may send them. CALL: it is a
 * call, which is not for the batch.
 */
export function decode(
  raw: RawMessage,
  index: number,
  transport: string,
  manager: Manager,
  settings: WorkerSettings,
): BatchItem | typeof CALL {
  let decoded: Partial<Envelope> = {};
  const { unsealed } = raw;
  if (unsealed !== undefined && 'call' in unsealed && unsealed.call !== undefined) return CALL;
  try {
    if (unsealed !== undefined && 'waits' in unsealed) {
      decoded = { method: unsealed.waits.method };
      // What is not there will not be there later either.
      methodNamed(unsealed.waits.method, manager);
      return { index, transport, raw, decoded, task: deferred.unknown, sealed: unsealed.waits };
    }
    const { codec, auth } = entryOf(transport, settings);
    // The answer may be that it cannot be read.
    if (!codec.callsAreInTheBody && raw.isCall) return CALL;
    refuseOversize(raw);
    let envelope = envelopeOf(raw, codec, false);
    if (envelope.call !== undefined) return CALL;
    decoded = raw.body.length > small || raw.inflated !== undefined ? essence(envelope) : envelope;
    const principal = principalOf(raw, auth, settings.access);
    const method = methodOf(envelope, manager);
    if (!takesBatches(method)) {
      throw new Rejected('not_a_cast', `${envelope.method} has an answer; the message has no reply address`);
    }
    if (method.needsContext === true) envelope = envelopeOf(raw, codec, true);
    const task = taskOf(envelope, method);
    authorize(principal, task, settings.access);
    return { index, transport, raw, decoded, task };
  } catch (error) {
    // Reading a message is a pure function of the message: an error of ours would come again each time it is tried.
    const outcome =
      error instanceof Rejected
        ? dead(error.reason, error.message)
        : dead('crash', `reading the message failed: ${messageOf(error)}`);
    return { index, transport, raw, decoded, task: outcome };
  }
}

/** Bytes of a body whose arguments may be kept as they are for as long as the batch takes. */
const small = 16_384;

/** As much of a message as a dead letter says of it: of a batch of large ones the arguments would not fit in the thread's memory. */
function essence({ method, args, messageId }: Envelope): Partial<Envelope> {
  const instanceId = isObject(args) ? args.instance_id : undefined;
  return { method, messageId, args: { instance_id: instanceId } };
}

/** What the message says: its body's, or what opening it has brought to light. Throws Rejected. */
export function envelopeOf(raw: RawMessage, codec: Codec, whole: boolean): Envelope {
  const { unsealed } = raw;
  if (unsealed === undefined) return codec.decode(plainBody(raw), raw, whole);
  if ('envelope' in unsealed) return unsealed.envelope;
  if ('rejected' in unsealed) throw unsealed.rejected;
  throw new Rejected('undecryptable', 'the message has not been opened');
}

/** The body as it is to be read. Throws Rejected if it cannot be inflated. */
export function plainBody({ body, inflated }: RawMessage): Uint8Array {
  return inflated === undefined ? body : inflated();
}

/** How a transport's messages are to be read. */
export function entryOf(
  transport: string,
  settings: WorkerSettings,
): { readonly codec: Codec; readonly auth: AuthMode } {
  const entry = settings.transports[transport];
  if (entry === undefined) throw new Error(`no transport is named ${transport}`);
  return { codec: codecs[entry.codec], auth: entry.auth };
}

/** Throws Rejected if the body was too large to be carried over. */
export function refuseOversize({ oversize }: RawMessage): void {
  if (oversize === undefined) return;
  throw new Rejected('too_large', `the body has ${oversize.size} bytes; the first ${keptBody} are kept`);
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
  const { method: methodName, args } = envelope;
  if (!isObject(args)) throw new Rejected('bad_envelope', `args is ${jsonTypeOf(args)}, not an object`);
  return { methodName, method, args: method.parse(args, envelope) };
}

/** What nearly every message asks for: no pattern need look at it. */
const newestVersion = `${managerVersion.major}.${managerVersion.minor}`;

/** As oslo.messaging's dispatcher does: the same major, a minor not above ours. */
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
