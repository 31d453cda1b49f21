import { codecs } from '../core/codecs/index.ts';
import type { Envelope, Principal } from '../core/envelope.ts';
import { messageOf, Rejected } from '../core/errors.ts';
import { isObject, kindOf } from '../core/json.ts';
import { dead, type Outcome } from '../core/outcome.ts';
import { type GuestArgs, type Manager, type Method, managerVersion } from './manager.ts';
import { type Incoming, keptBody, type WorkerSettings } from './protocol.ts';

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
}

export interface Task {
  readonly methodName: string;
  readonly method: Method;
  readonly args: GuestArgs;
}

export function isTask(task: Task | Outcome): task is Task {
  return 'method' in task;
}

/** Decodes one message, finds out who sent it, parses its arguments and checks that the sender may send them. */
export function decode(
  incoming: Incoming,
  index: number,
  transport: string,
  manager: Manager,
  settings: WorkerSettings,
): Work {
  let decoded: Partial<Envelope> = {};
  try {
    const entry = settings.transports[transport];
    if (entry === undefined) throw new Error(`no transport is named ${transport}`);
    if (incoming.oversize !== undefined) {
      throw new Rejected(
        'too_large',
        `the body has ${incoming.oversize.size} bytes; the first ${keptBody} are kept`,
      );
    }
    const envelope = codecs[entry.codec](incoming.body, incoming.messageId);
    decoded = envelope;
    const principal = principalOf(incoming, entry.auth);
    const task = taskOf(envelope, manager);
    authorize(principal, task.args);
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

/** Looks up the method and parses the arguments. Throws Rejected. */
export function taskOf(
  { method: methodName, args, version, sentRequired }: Envelope,
  manager: Manager,
): Task {
  const method = Object.hasOwn(manager, methodName) ? manager[methodName] : undefined;
  if (method === undefined) {
    throw new Rejected(
      'unknown_method',
      `${JSON.stringify(methodName.slice(0, 64))} is not a method of this conductor`,
    );
  }
  if (version !== undefined) checkVersion(version);
  if (!isObject(args)) throw new Rejected('bad_envelope', `args is ${kindOf(args)}, not an object`);
  return { methodName, method, args: method.parse(args, sentRequired) };
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

function principalOf({ sender, senderProof }: Incoming, auth: 'none' | 'subject' | 'user-id'): Principal {
  if (auth === 'none') return { kind: 'unproven' };
  if (sender === undefined || senderProof !== auth) {
    throw new Rejected(
      'forbidden',
      `the message does not prove its sender by ${auth}, as this transport requires`,
    );
  }
  return { kind: 'guest', id: sender };
}

/** A guest may speak of itself only. */
function authorize(principal: Principal, { instanceId }: GuestArgs): void {
  if (principal.kind === 'guest' && principal.id !== instanceId) {
    throw new Rejected('forbidden', `${principal.id} sent a message about ${instanceId}`);
  }
}
