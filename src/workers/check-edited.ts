import { messageOf, Rejected } from '../core/errors.ts';
import { isObject, type JsonObject, parseObject, textOf } from '../core/json.ts';
import { readArgs, readMethod, readVersion } from '../core/message/codecs/native.ts';
import type { Envelope } from '../core/message/envelope.ts';
import { wholeBody } from '../core/span.ts';
import type { SenderProof } from '../core/transport/contract.ts';
import { authorize, principalOf } from './batch/authorize.ts';
import type { Task } from './batch/item.ts';
import { entryOf, envelopeOf, methodOf, taskOf } from './batch/read.ts';
import { type CastMethod, type Manager, takesBatches } from './methods/contract.ts';
import type { RawMessage } from './raw-message.ts';
import type { WorkerSettings } from './settings.ts';

/** A dead letter whose body is edited. */
export interface EditedLetter {
  readonly transport: string;
  /** Set for a notification that was not published. */
  readonly topic: string | null;
  readonly wasDeferred: boolean;
  readonly messageId: string | null;
  readonly sender: string | null;
  readonly senderProof: string | null;
}

/** An edited body, on its way to a worker thread. */
export interface EditTask {
  readonly body: Uint8Array;
  readonly letter: EditedLetter;
}

/** What a redrive would refuse; or why that cannot be told. */
export type EditCheck = { readonly faults: ReadonlyArray<string> } | { readonly uncheckedBecause: string };

/**
 * Checks a body as a redrive reads it: the wire form, the method, its arguments and the sender's rights. It names all faults, each in the
 * words of the redrive. What only the database knows, such as whether the instance exists, stays open. Never throws.
 *
 * @param body a JSON object.
 * @param manager the method table of the configuration that `settings` come from.
 */
export function checkEdited(
  body: Buffer,
  letter: EditedLetter,
  manager: Manager,
  settings: WorkerSettings,
): EditCheck {
  // It is published as it is.
  if (letter.topic !== null) return { faults: [] };
  const auth = settings.transports[letter.transport]?.auth;
  if (auth === undefined)
    return { uncheckedBecause: `this configuration has no transport ${letter.transport}` };
  const proof = proofs.find((one) => one === letter.senderProof);
  const isOpened = proof === 'hmac' || proof === 'trove';
  if ((auth === 'hmac' || auth === 'trove') && !isOpened && !letter.wasDeferred)
    return {
      uncheckedBecause: `its sender was never proven (auth.mode ${auth}), so the body has to prove it`,
    };
  const raw: RawMessage = {
    ...wholeBody(body),
    oversize: undefined,
    messageId: letter.messageId ?? undefined,
    sender: letter.sender ?? undefined,
    senderProof: proof,
    isCall: false,
  };
  const check = new Check(manager, settings);
  check.body(raw, letter);
  return { faults: check.faults };
}

const proofs: ReadonlyArray<SenderProof> = ['subject', 'user-id', 'trove', 'hmac'];

/** The parts of a message that could be read. */
interface Parts extends Pick<Envelope, 'sentRequired' | 'subject'> {
  readonly method?: string | undefined;
  readonly args?: unknown;
  readonly version?: string | undefined;
  readonly context?: Envelope['context'];
  readonly call?: Envelope['call'];
}

/** Reads one body part by part, and goes on after a fault. */
class Check {
  readonly faults: string[] = [];
  private readonly manager: Manager;
  private readonly settings: WorkerSettings;

  constructor(manager: Manager, settings: WorkerSettings) {
    this.manager = manager;
    this.settings = settings;
  }

  body(raw: RawMessage, { transport, wasDeferred }: EditedLetter): void {
    const { codec, codecName, auth } = entryOf(transport, this.settings);
    const { access } = this.settings;
    const isPlain = wasDeferred || codecName === 'native';
    const plain = isPlain ? this.plainParts(raw, wasDeferred) : undefined;
    // The whole envelope shows what is wrong beside the plain parts, such as the context.
    const envelope =
      wasDeferred || this.faults.length > 0 ? undefined : this.try(() => envelopeOf(raw, codec, true));
    const parts: Parts = envelope ?? plain ?? { sentRequired: false };
    if (parts.call !== undefined) this.faults.push('it asks for an answer, which nobody waits for any more');
    const task = this.task(parts);
    // A deferred message was authorized when it arrived.
    if (wasDeferred || task === undefined) return;
    this.try(() => authorize(principalOf(raw, auth, access), task, access));
  }

  /** The method and the arguments in the native form, which is that of a deferred message too. */
  private plainParts(raw: RawMessage, wasDeferred: boolean): Parts {
    const message = this.try(() => parseObject(textOf(raw.bytes), 'the body'));
    if (message === undefined) return { sentRequired: false };
    const method = this.try(() => readMethod(message));
    const args = this.try(() => readArgs(message));
    const version = wasDeferred ? undefined : this.try(() => readVersion(message));
    return { method, args, version, sentRequired: !wasDeferred };
  }

  /** The task, if the method is known and the arguments name the instance. */
  private task({ method: name, ...parts }: Parts): Task | undefined {
    if (name === undefined) return undefined;
    const { args, version, context, call } = parts;
    const envelope: Envelope = { ...parts, method: name, args, version, context, call, messageId: undefined };
    const method = this.try(() => methodOf(envelope, this.manager));
    if (method === undefined) return undefined;
    if (!takesBatches(method)) {
      this.faults.push(`${name} is a call, and a dead letter is redriven as a cast`);
      return undefined;
    }
    return isObject(args) ? this.arguments(method, envelope, args) : undefined;
  }

  /** Puts a value that the description allows in the place of each argument that is refused, so that the others are read too. */
  private arguments(method: CastMethod, envelope: Envelope, args: JsonObject): Task | undefined {
    const { description } = method;
    const schema = (envelope.sentRequired ? undefined : description?.argsWithoutSent) ?? description?.args;
    const properties = isObject(schema?.properties) ? schema.properties : {};
    const mended = new Set<string>();
    let given = args;
    for (;;) {
      try {
        const task = taskOf({ ...envelope, args: { ...given } }, method);
        return mended.has('instance_id') ? undefined : task;
      } catch (error) {
        const name = error instanceof Rejected ? error.argument : undefined;
        // It is our own value that is refused now.
        if (name !== undefined && mended.has(name)) return undefined;
        this.faults.push(wordsOf(error));
        const property = name === undefined ? undefined : properties[name];
        if (name === undefined || !isObject(property)) return undefined;
        mended.add(name);
        given = { ...given, [name]: exampleOf(property) };
      }
    }
  }

  private try<Result>(read: () => Result): Result | undefined {
    try {
      return read();
    } catch (error) {
      this.faults.push(wordsOf(error));
      return undefined;
    }
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Rejected ? error.message : `reading the message failed: ${messageOf(error)}`;
}

/** A value that a JSON Schema allows, if it is a simple one. */
function exampleOf(schema: JsonObject): unknown {
  if (Array.isArray(schema.enum)) return schema.enum[0];
  const type: unknown = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === 'string') return 'x'.repeat(Math.max(1, Number(schema.minLength ?? 1)));
  if (type === 'number' || type === 'integer') return 1;
  if (type === 'boolean') return true;
  if (type === 'array') return [];
  if (type !== 'object') return null;
  const properties = isObject(schema.properties) ? schema.properties : {};
  const required: unknown[] = Array.isArray(schema.required) ? schema.required : [];
  return Object.fromEntries(
    Object.entries(properties).flatMap(([name, one]) =>
      required.includes(name) && isObject(one) ? [[name, exampleOf(one)]] : [],
    ),
  );
}
