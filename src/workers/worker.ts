import { parentPort } from 'node:worker_threads';
import { workerData } from 'piscina';
import { messageOf, Rejected } from '../core/errors.ts';
import { type BatchResult, CALL, type CallResult, dead, HELD } from '../core/outcome.ts';
import { applyBatch } from './apply.ts';
import { isMistake } from './blame.ts';
import { addressOf, runCall } from './call.ts';
import { type Context, createContext } from './context.ts';
import { decode, type Work } from './decode.ts';
import { loadManager } from './load-manager.ts';
import { forget as forgetDeferred, maintain as maintainTables } from './maintain.ts';
import type { Manager } from './manager.ts';
import {
  type DeferredVersion,
  type Incoming,
  type MaintenanceResult,
  type PackedBatch,
  type PackedCall,
  unpack,
  type WorkerSettings,
} from './protocol.ts';
import { openBatch } from './secure.ts';

/** The entry of a worker thread. Each export is a task that the main thread may ask for; none of them throws. */

const settings: WorkerSettings = workerData;
/** What is wrong with the deployer's own methods; then nothing but `ready` is asked of this thread. */
let problem: string | undefined;
const manager: Manager = await loadManager(settings.managerModule).catch((error: unknown) => {
  problem = messageOf(error);
  return {};
});
const warn = (line: string) => parentPort?.postMessage(line);
const context: Context = createContext(settings, manager, warn);

/** Answers once the thread has loaded what it needs; with a line for the operator if it cannot. */
export function ready(): string | undefined {
  return problem;
}

/** Decodes, applies, commits. Calls are only told apart: they are run by themselves, once the casts have settled. */
export function run(batch: PackedBatch): Promise<BatchResult> {
  return guarded(batch, async () => {
    const casts: Work[] = [];
    const calls: number[] = [];
    const opened = await openEach(batch.transport, unpack(batch));
    for (const [index, incoming] of opened.entries()) {
      const work = decode(incoming, index, batch.transport, manager, settings);
      if (work === CALL) calls.push(index);
      else casts.push(work);
    }
    const result = await applyBatch(context, casts, undefined, batch.count);
    for (const index of calls) result.codes[index] = CALL;
    if (calls.length === 0) return result;
    const addresses = calls.flatMap((index) => {
      const incoming = opened[index];
      const address = incoming && addressOf(incoming, batch.transport, settings);
      return address === undefined ? [] : [[index, address] as const];
    });
    return { ...result, addresses };
  });
}

/** Opens a batch's messages. A mistake of ours harms the message that brings it to light; it would come again each time. */
async function openEach(transport: string, batch: ReadonlyArray<Incoming>): Promise<ReadonlyArray<Incoming>> {
  const open = (messages: ReadonlyArray<Incoming>) =>
    openBatch(context, transport, messages, { exceptCalls: true });
  try {
    return await open(batch);
  } catch (error) {
    if (!isMistake(error, false)) throw error;
  }
  const opened: Incoming[] = [];
  for (const message of batch) {
    try {
      opened.push(...(await open([message])));
    } catch (error) {
      if (!isMistake(error, false)) throw error;
      const rejected = new Rejected('crash', `opening the message failed: ${messageOf(error)}`);
      opened.push({ ...message, opened: { rejected, call: undefined } });
    }
  }
  return opened;
}

/** Executes one call. */
export async function call({ batch, timeout, losses }: PackedCall): Promise<CallResult> {
  const { transport } = batch;
  try {
    const [incoming] = await openBatch(context, transport, unpack(batch), { exceptCalls: false });
    if (incoming === undefined) throw new Error('a call without a message');
    return await runCall({ context, incoming, transport, timeout, losses });
  } catch (error) {
    return { outcome: undefined, heldBecause: messageOf(error) };
  }
}

/** Records the messages as dead without looking into them: they have ended two workers that did. */
export function bury(batch: PackedBatch): Promise<BatchResult> {
  return guarded(batch, async () => {
    const outcome = dead('crash', 'it ended the worker that ran it, twice');
    const works = unpack(batch).map((incoming, index) => ({
      index,
      transport: batch.transport,
      incoming,
      decoded: {},
      task: outcome,
    }));
    return applyBatch(context, works);
  });
}

/** Rejects if the database cannot be reached. */
export function forget(rows: ReadonlyArray<DeferredVersion>): Promise<void> {
  return forgetDeferred(context, rows);
}

export function maintain(): Promise<MaintenanceResult> {
  return maintainTables(context);
}

/** Outcomes are data: an error of ours, which holds the batch, crosses the thread boundary as such. */
async function guarded(batch: PackedBatch, work: () => Promise<BatchResult>): Promise<BatchResult> {
  try {
    const { codes, dead, heldBecause, putAsideBecause, notifications, addresses } = await work();
    return { codes, dead, heldBecause, putAsideBecause, notifications, addresses };
  } catch (error) {
    return { codes: new Uint8Array(batch.count).fill(HELD), dead: [], heldBecause: messageOf(error) };
  }
}
