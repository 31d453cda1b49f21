import { codecs } from '../core/codecs/index.ts';
import { type Access, anonymous } from '../core/config/access.ts';
import type { AuthMode } from '../core/config/transport-kind.ts';
import type { Codec, Envelope, Principal } from '../core/envelope.ts';
import { messageOf, Rejected } from '../core/errors.ts';
import { isObject, kindOf } from '../core/json.ts';
import { CALL, dead, deferred, type Outcome } from '../core/outcome.ts';
import { requireGrant } from './grants.ts';
import {
  type CallMethod,
  type GuestArgs,
  type Manager,
  type Method,
  managerVersion,
  takesBatches,
} from './manager.ts';
import { type Incoming, keptBody, type SealedCast, type WorkerSettings } from './protocol.ts';

/** One message on its way through a batch. */
export interface Work {
  /** Its place in the batch. */
  readonly index: number;
  readonly transport: string;
  /** As it came, for a dead letter; undefined for a message that was deferred before. */
  readonly incoming: Incoming | undefined;
  /** What is known of it, as far as it could be read. */
  readonly decoded: Partial<Envelope>;
  /** What is to be done, or the outcome that is already certain. */
  readonly task: Task | Outcome;
  /** Of a message that cannot be opened yet: it is deferred as it is. */
  readonly sealed?: SealedCast | undefined;
  /** It was deferred before, as it is, and has its row. */
  readonly hasRow?: boolean;
}

export interface Task {
  readonly methodName: string;
  readonly method: Method;
  readonly args: GuestArgs;
}

export function isTask(task: Task | Outcome): task is Task {
  return 'method' in task;
}

/**
 * Decodes one message, finds out who sent it, parses its arguments and checks that the sender may send them. CALL: it is a
 * call, which is not for the batch.
 */
export function decode(
  incoming: Incoming,
  index: number,
  transport: string,
  manager: Manager,
  settings: WorkerSettings,
): Work | typeof CALL {
  let decoded: Partial<Envelope> = {};
  const { opened } = incoming;
  if (opened !== undefined && 'call' in opened && opened.call !== undefined) return CALL;
  try {
    if (opened !== undefined && 'waits' in opened) {
      decoded = { method: opened.waits.method };
      // What is not there will not be there later either.
      methodNamed(opened.waits.method, manager);
      return { index, transport, incoming, decoded, task: deferred.unknown, sealed: opened.waits };
    }
    const { codec, auth } = entryOf(transport, settings);
    // The answer may be that it cannot be read.
    if (!codec.callsAreInTheBody && incoming.isCall) return CALL;
    refuseOversize(incoming);
    let envelope = envelopeOf(incoming, codec, false);
    if (envelope.call !== undefined) return CALL;
    decoded = incoming.body.length > small || incoming.inflated !== undefined ? essence(envelope) : envelope;
    const principal = principalOf(incoming, auth, settings.access);
    const method = methodOf(envelope, manager);
    if (!takesBatches(method)) {
      throw new Rejected('not_a_cast', `${envelope.method} has an answer; the message has no reply address`);
    }
    if (method.needsContext === true) envelope = envelopeOf(incoming, codec, true);
    const task = taskOf(envelope, method);
    authorize(principal, task, settings.access);
    return { index, transport, incoming, decoded, task };
  } catch (error) {
    // Reading a message is a pure function of the message: an error of ours would come again each time it is tried.
    const outcome =
      error instanceof Rejected
        ? dead(error.reason, error.message)
        : dead('crash', `reading the message failed: ${messageOf(error)}`);
    return { index, transport, incoming, decoded, task: outcome };
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
export function envelopeOf(incoming: Incoming, codec: Codec, whole: boolean): Envelope {
  const { opened } = incoming;
  if (opened === undefined) return codec.decode(plainBody(incoming), incoming, whole);
  if ('envelope' in opened) return opened.envelope;
  if ('rejected' in opened) throw opened.rejected;
  throw new Rejected('undecryptable', 'the message has not been opened');
}

/** The body as it is to be read. Throws Rejected if it cannot be inflated. */
export function plainBody({ body, inflated }: Incoming): Uint8Array {
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
export function refuseOversize({ oversize }: Incoming): void {
  if (oversize === undefined) return;
  throw new Rejected('too_large', `the body has ${oversize.size} bytes; the first ${keptBody} are kept`);
}

/** Looks up the method and checks the version that the sender asks for. Throws Rejected. */
export function methodOf({ method: name, version }: Envelope, manager: Manager): Method | CallMethod {
  const method = methodNamed(name, manager);
  if (version !== undefined) checkVersion(version);
  return method;
}

function methodNamed(name: string, manager: Manager): Method | CallMethod {
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
export function taskOf(envelope: Envelope, method: Method): Task {
  const { method: methodName, args } = envelope;
  if (!isObject(args)) throw new Rejected('bad_envelope', `args is ${kindOf(args)}, not an object`);
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

/** Who sent it, as the transport can prove it. Throws Rejected. */
export function principalOf(
  { sender, senderProof }: Incoming,
  auth: AuthMode,
  { services }: Access,
): Principal {
  if (auth === 'none') return { kind: 'unproven' };
  if (sender === undefined || senderProof !== auth) {
    throw new Rejected(
      'forbidden',
      `the message does not prove its sender by ${auth}, as this transport requires`,
    );
  }
  // Who proves a name is not anonymous, whatever the name is.
  const isService = sender !== anonymous && services.has(sender);
  return { kind: isService ? 'service' : 'guest', id: sender };
}

/** A guest may speak of itself only, a service of anybody if it is granted the method. Throws Rejected. */
export function authorize(principal: Principal, { methodName, args }: Task, access: Access): void {
  if (principal.kind === 'guest' && principal.id !== args.instanceId)
    throw new Rejected('forbidden', `${principal.id} sent a message about ${args.instanceId}`);
  if (principal.kind === 'service') requireGrant(principal, methodName, access);
}
