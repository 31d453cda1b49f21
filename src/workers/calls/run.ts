import { CallRefused, messageOf, Rejected } from '../../core/errors.ts';
import { parseExact } from '../../core/exact-json.ts';
import { isObject, jsonTypeOf } from '../../core/json.ts';
import type { CallAddress, Codec, Envelope, Principal } from '../../core/message/envelope.ts';
import { type CallResult, dead, type Outcome, type Resumption } from '../../core/message/outcome.ts';
import { applyBatch } from '../batch/apply.ts';
import { authorize, principalOf } from '../batch/authorize.ts';
import { holdCauseOf } from '../batch/hold-cause.ts';
import type { BatchItem } from '../batch/item.ts';
import { entryOf, envelopeOf, methodOf, refuseOversize, taskOf } from '../batch/read.ts';
import type { Hooks } from '../batch/run.ts';
import type { ThreadState } from '../batch/thread-state.ts';
import { refusalOfAge } from '../batch/verify.ts';
import { requireGrant } from '../grants.ts';
import { type CallMethod, takesBatches } from '../methods/contract.ts';
import { RunAgain } from '../methods/run-again.ts';
import { Wait } from '../methods/wait.ts';
import { callErrorOf } from '../postgres/sqlstate.ts';
import type { Db } from '../postgres/transaction.ts';
import type { TransactionLog } from '../postgres/transaction-log.ts';
import type { RawMessage } from '../raw-message.ts';
import type { WorkerSettings } from '../settings.ts';
import { millisecondsUntil, problemOf, refusalOf, tries } from './errors.ts';
import { actOnce, identityOf } from './idempotency.ts';
import { limitStatements } from './sql/limit-statements.ts';
import { ConnectionLost, inCallTransaction } from './transaction.ts';

/** Seconds for which a signed call is valid. Only a mutating call is recognized when it is repeated, so a captured one must end soon. */
const longestSignedCall = 300;

const noAddress: CallAddress = { replyTo: undefined, id: undefined };

/** A call that is being executed. */
interface Call {
  readonly state: ThreadState;
  readonly raw: RawMessage;
  readonly transport: string;
  /** Milliseconds: the time limit, or the time that the caller still waits if that is less. */
  readonly timeout: number;
  /** How often the call has lost its connection while its method ran. */
  readonly losses?: number;
  /** Set if the call has waited. */
  readonly resumption?: Resumption | undefined;
  /** Set if tracing is on. */
  readonly log?: TransactionLog | undefined;
}

interface Executed {
  readonly result: unknown;
  readonly notifies?: boolean;
}

/**
 * Executes one call in its own transaction. Never rejects: an error of the call goes to its caller, an error of the database holds the
 * call.
 */
export async function runCall(call: Call): Promise<CallResult> {
  const seen: { method?: string } = {};
  const result = await respond(call, seen);
  return { ...result, method: seen.method };
}

/** @param seen takes the name of the method once it is known to be in the method table. */
async function respond(call: Call, seen: { method?: string }): Promise<CallResult> {
  const { state, raw, transport } = call;
  const { codec } = entryOf(transport, state.settings);
  let address = noAddress;
  try {
    refuseOversize(raw);
    const { unsealed } = raw;
    if (unsealed !== undefined && 'call' in unsealed) address = unsealed.call ?? address;
    const envelope = ofTheCall(() => envelopeOf(raw, codec, true));
    address = envelope.call ?? address;
    const { signedAt } = raw;
    const tooOld = signedAt === undefined ? undefined : refusalOfAge(signedAt, longestSignedCall);
    if (tooOld !== undefined) throw tooOld;
    if (Object.hasOwn(state.manager, envelope.method)) seen.method = envelope.method;
    const { result, notifies } = await execute(call, envelope);
    if (result instanceof Wait) return { outcome: undefined, waitsFor: result.wait };
    const reply = { body: encodeResult(call, address, result), name: address.replyTo };
    return { outcome: 'answered', reply, notifies };
  } catch (error) {
    const refusal = refusalOf(error, call.losses ?? 0);
    if (refusal === undefined) {
      const lost = error instanceof ConnectionLost;
      return { outcome: undefined, heldBecause: messageOf(error), heldCause: holdCauseOf(error), lost };
    }
    if (error instanceof Rejected && error.reason === 'forbidden') {
      // A forbidden call is recorded as a dead letter, whether or not its sender waits for an answer.
      const {
        heldBecause,
        heldCause,
        dead: letters,
      } = await applyBatch(state, [workOf(call, dead('forbidden', error.message))]);
      if (heldBecause !== undefined) return { outcome: undefined, heldBecause, heldCause };
      return { outcome: 'dead', dead: letters[0], reply: replyWith(codec, address, refusal) };
    }
    return { outcome: 'refused', reply: replyWith(codec, address, refusal), problem: problemOf(refusal) };
  }
}

/**
 * The answer's address in the body of a call; undefined if the body cannot be read or has none. Then the protocol's own properties
 * apply.
 */
export function addressOf(
  raw: RawMessage,
  transport: string,
  settings: WorkerSettings,
): CallAddress | undefined {
  const { unsealed } = raw;
  if (unsealed !== undefined) return 'call' in unsealed ? unsealed.call : undefined;
  try {
    const { call } = envelopeOf(raw, entryOf(transport, settings).codec, false);
    return call?.id === undefined && call?.replyTo === undefined ? undefined : call;
  } catch (error) {
    if (error instanceof Rejected) return undefined;
    throw error;
  }
}

function replyWith(codec: Codec, address: CallAddress, { errorClass, message, argument }: CallRefused) {
  const body = codec.encodeAnswer(address, { error: { class: errorClass, message, argument } });
  return { body, name: address.replyTo };
}

/** Encodes a result for the wire. The result is sealed if the call was. */
function encodeResult(
  { state: { settings }, raw: { unsealed }, transport }: Call,
  address: CallAddress,
  result: unknown,
): Uint8Array {
  const { codec } = entryOf(transport, settings);
  const body = ofTheCall(() => {
    const sealed = unsealed !== undefined && 'envelope' in unsealed ? unsealed.seal(result) : result;
    return codec.encodeAnswer(address, { result: sealed });
  });
  const { maxReply } = settings.calls;
  if (body.length <= maxReply) return body;
  throw new CallRefused(
    'ResultTooLarge',
    `the result has ${body.length} bytes, more than ${maxReply} (calls.maxReply): ask for less at once`,
  );
}

/**
 * Runs a step that depends on the call alone. If it fails, it would fail at each try, so its error refuses the call and does not hold
 * everything.
 */
function ofTheCall<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof CallRefused || error instanceof Rejected) throw error;
    throw new CallRefused('InternalError', messageOf(error));
  }
}

async function execute(call: Call, envelope: Envelope): Promise<Executed> {
  const { state, raw, transport } = call;
  const { manager, settings } = state;
  const method = methodOf(envelope, manager);
  const principal = principalOf(raw, entryOf(transport, settings).auth, settings.access);
  if (principal.kind === 'guest' && state.quotas.isOn) {
    const verdict = state.quotas.judge(principal.id, raw.end - raw.begin, false);
    if (verdict !== 'now')
      throw new CallRefused('Busy', `${principal.id} sends more than its quotas; try again in a moment`);
  }
  if (takesBatches(method)) {
    const task = ofTheCall(() => taskOf(envelope, method));
    authorize(principal, task, settings.access);
    return applyAlone(call, workOf(call, task, envelope));
  }
  return { result: await runMethod(call, envelope, method, principal) };
}

async function runMethod(
  call: Call,
  { method: name, args: given, messageId, call: address = noAddress }: Envelope,
  method: CallMethod,
  principal: Principal,
): Promise<unknown> {
  const { state, transport, timeout, resumption, log } = call;
  const { settings } = state;
  if (method.allowed !== 'anyone') requireGrant(principal, name, settings.access);
  if (!isObject(given)) throw new Rejected('bad_envelope', `args is ${jsonTypeOf(given)}, not an object`);
  const args = ofTheCall(() => method.parse(given));
  const { codecName: codec } = entryOf(transport, settings);
  const identity = method.mutating ? identityOf(name, principal, messageId, given) : undefined;
  const deadline = performance.now() + timeout;
  const { lockTimeout, preparedStatements } = settings.database;
  const attempt = async (db: Db): Promise<unknown> => {
    const run = () => method.run(db, args, { principal, settings, codec, resumption });
    if (identity === undefined) return run();
    const result = await actOnce(db, identity, async () => {
      await limitStatements(db, { lockTimeout, statementTimeout: millisecondsUntil(deadline) });
      const value = (await run()) ?? null;
      // A result that is too large is refused here, where the transaction can still be rolled back.
      encodeResult(call, address, value);
      return JSON.stringify(value) ?? 'null';
    });
    return parseExact(result);
  };
  for (let failures = 0; ; ) {
    try {
      const statementTimeout = millisecondsUntil(deadline);
      // A repetition may wait for the first call until its own time limit.
      const limits = { statementTimeout, lockTimeout: method.mutating ? statementTimeout : undefined };
      return await inCallTransaction(state.pool, { ...limits, preparedStatements, log }, attempt);
    } catch (error) {
      failures += 1;
      const again = error instanceof RunAgain || callErrorOf(error) === 'Busy';
      if (!again || failures === tries) throw error;
    }
  }
}

/** Calls a method of guests: a batch of one, whose sender gets the outcome. */
async function applyAlone({ state, log }: Call, item: BatchItem): Promise<Executed> {
  let fault: Extract<Outcome, { kind: 'dead' }> | undefined;
  const hooks: Hooks = {
    waits: true,
    needsContrast: false,
    judge(_, outcome) {
      // The last try's verdict counts.
      fault = outcome.kind === 'dead' ? outcome : undefined;
      return fault === undefined ? outcome : { kind: 'refused' };
    },
    finish: () => Promise.resolve(),
  };
  const { committed, heldBecause, notifies } = await applyBatch(state, [item], hooks, 1, log);
  if (fault !== undefined) throw new Rejected(fault.reason, fault.detail);
  const outcome = committed[0]?.outcome;
  if (outcome === undefined) throw new Error(heldBecause ?? 'the message was left without an outcome');
  return { result: { outcome: outcome.kind }, notifies: notifies === true };
}

function workOf(
  { raw, transport }: Call,
  task: BatchItem['task'],
  { method, messageId, args }: Partial<Envelope> = {},
): BatchItem {
  // Only the body of a call in oslo's form says that it is one.
  return { index: 0, transport, raw: { ...raw, isCall: true }, method, messageId, args, task };
}
