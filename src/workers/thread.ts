import { parentPort } from 'node:worker_threads';
import { workerData } from 'piscina';
import { messageOf } from '../core/errors.ts';
import type { ClaimedNotification, PublishedNotifications } from '../core/message/notification.ts';
import { type BatchResult, CALL, type CallResult, dead, HELD } from '../core/message/outcome.ts';
import { applyBatch } from './batch/apply.ts';
import { holdCauseOf } from './batch/hold-cause.ts';
import type { BatchItem } from './batch/item.ts';
import type { DueLetters } from './batch/leftovers/sql/due-letters.ts';
import { decode } from './batch/read.ts';
import { createThreadState, type ThreadState } from './batch/thread-state.ts';
import { unsealBatch } from './batch/unseal.ts';
import { unsealEach } from './batch/unseal-each.ts';
import { withinQuotas } from './batch/within-quotas.ts';
import { addressOf, runCall } from './calls/run.ts';
import { checkEdited, type EditCheck, type EditTask } from './check-edited.ts';
import type { RetryResult } from './deferred.ts';
import type { Manager } from './methods/contract.ts';
import { loadManager } from './methods/load.ts';
import { claimOutbox, settleOutbox } from './outbox.ts';
import { type PackedBatch, type PackedCall, unpack } from './packing.ts';
import { TransactionLog } from './postgres/transaction-log.ts';
import { dueLetters, giveUpLetters, redriveLetters } from './redrive.ts';
import type { RedriveResult, RedriveTask } from './redriven.ts';
import { retryDeferred } from './retry.ts';
import type { WorkerSettings } from './settings.ts';

/** The entry of a worker thread. Each export is a task of the main thread. Only `retry`, `due`, `giveUp` and those of the outbox reject. */

const settings: WorkerSettings = workerData;
/** The error of the deployer's own methods, if any. Then the main thread asks this thread for `ready` only. */
let problem: string | undefined;
const manager: Manager = await loadManager(settings.managerModule).catch((error: unknown) => {
  problem = messageOf(error);
  return {};
});
const warn = (line: string) => parentPort?.postMessage(line);
const state: ThreadState = createThreadState(settings, manager, warn);

/** Answers when the thread has loaded its methods; with a line for the operator if that failed. */
export function ready(): string | undefined {
  return problem;
}

/** Decodes a batch, applies it and commits it. Calls are only recognized. They run by themselves after the casts have settled. */
export function run(batch: PackedBatch): Promise<BatchResult> {
  return guarded(batch, async () => {
    const casts: BatchItem[] = [];
    const calls: number[] = [];
    const unsealed = await unsealEach(state, batch.transport, unpack(batch));
    for (const [index, raw] of unsealed.entries()) {
      const item = decode(raw, index, batch.transport, manager, settings);
      if (item === CALL) calls.push(index);
      else casts.push(item);
    }
    const allowed = withinQuotas(state.quotas, casts);
    const result = await applyBatch(state, allowed, undefined, batch.count, logOf(batch));
    for (const index of calls) result.codes[index] = CALL;
    if (calls.length === 0) return result;
    const addresses = calls.flatMap((index) => {
      const raw = unsealed[index];
      const address = raw && addressOf(raw, batch.transport, settings);
      return address === undefined ? [] : [[index, address] as const];
    });
    return { ...result, addresses };
  });
}

/** Executes one call. */
export async function call({ batch, timeout, losses, resumption }: PackedCall): Promise<CallResult> {
  const { transport } = batch;
  try {
    const [raw] = await unsealBatch(state, transport, unpack(batch), { exceptCalls: false });
    if (raw === undefined) throw new Error('a call without a message');
    const log = logOf(batch);
    const result = await runCall({ state, raw, transport, timeout, losses, resumption, log });
    return log === undefined ? result : { ...result, transactions: log.times };
  } catch (error) {
    return { outcome: undefined, heldBecause: messageOf(error), heldCause: holdCauseOf(error) };
  }
}

function logOf({ traceId }: PackedBatch): TransactionLog | undefined {
  return traceId === undefined ? undefined : new TransactionLog(traceId);
}

/** Records the messages as dead without decoding them, since each of them has ended two workers. */
export function deadLetter(batch: PackedBatch): Promise<BatchResult> {
  return guarded(batch, async () => {
    const outcome = dead('crash', 'it ended the worker that ran it, twice');
    const items = unpack(batch).map((raw, index) => ({
      index,
      transport: batch.transport,
      raw,
      method: undefined,
      messageId: undefined,
      task: outcome,
    }));
    return applyBatch(state, items);
  });
}

/** Checks the edited body of a dead letter. */
export function checkEdit({ body, letter }: EditTask): EditCheck {
  // A buffer becomes an array of bytes on its way to a thread.
  return checkEdited(Buffer.from(body), letter, manager, settings);
}

/** Retries the deferred messages of a transport. Rejects if they cannot be claimed. */
export function retry(transport: string): Promise<RetryResult> {
  return told(retryDeferred(state, transport));
}

/** Claims the due notifications of a transport. Rejects if the database cannot be reached. */
export function claimNotifications(transport: string): Promise<ClaimedNotification[]> {
  return told(claimOutbox(state, transport));
}

/** Stores what became of claimed notifications. Rejects if the database cannot be reached. */
export function settleNotifications(settled: PublishedNotifications): Promise<void> {
  return told(settleOutbox(state, settled));
}

/** The letters of a transport whose redrive is due. Rejects if the database cannot be reached. */
export function due(transport: string): Promise<DueLetters> {
  return told(dueLetters(state, transport));
}

/** Redrives letters. */
export function redrive(task: RedriveTask): Promise<RedriveResult> {
  return redriveLetters(state, task);
}

/** Marks letters as dead that have ended two workers. Rejects if the database cannot be reached. */
export function giveUp(task: RedriveTask): Promise<RedriveResult> {
  return told(giveUpLetters(state, task));
}

/** The main thread gets a copy of an error. The copy of an AggregateError, such as of a URL with several hosts, has lost its reasons. */
async function told<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw new Error(messageOf(error));
  }
}

/** Outcomes are data: an error of our own holds the batch and crosses the thread boundary as its result. */
async function guarded(
  batch: PackedBatch,
  work: () => Promise<BatchResult & { readonly committed: unknown }>,
): Promise<BatchResult> {
  try {
    // The items stay here.
    const { committed: _, ...result } = await work();
    return result;
  } catch (error) {
    return {
      codes: new Uint8Array(batch.count).fill(HELD),
      dead: [],
      heldBecause: messageOf(error),
      heldCause: holdCauseOf(error),
    };
  }
}
