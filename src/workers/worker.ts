import { parentPort } from 'node:worker_threads';
import { workerData } from 'piscina';
import { messageOf } from '../core/errors.ts';
import { type BatchResult, CALL, type CallResult, dead, HELD } from '../core/outcome.ts';
import { applyBatch, type Context } from './apply.ts';
import { runCall } from './call.ts';
import { createPool } from './db.ts';
import { decode, type Work } from './decode.ts';
import { loadManager } from './load-manager.ts';
import { maintain as maintainTables } from './maintain.ts';
import type { Manager } from './manager.ts';
import {
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
const context: Context = { pool: createPool(settings, warn), manager, settings };

/** Answers once the thread has loaded what it needs; with a line for the operator if it cannot. */
export function ready(): string | undefined {
  return problem;
}

/** Decodes, applies, commits. Calls are only told apart: they are run by themselves, once the casts have settled. */
export function run(batch: PackedBatch): Promise<BatchResult> {
  return guarded(batch, async () => {
    const casts: Work[] = [];
    const calls: number[] = [];
    const opened = await openBatch(context, batch.transport, unpack(batch), { exceptCalls: true });
    for (const [index, incoming] of opened.entries()) {
      const work = decode(incoming, index, batch.transport, manager, settings);
      if (work === CALL) calls.push(index);
      else casts.push(work);
    }
    const result = await applyBatch(context, casts, undefined, batch.count);
    for (const index of calls) result.codes[index] = CALL;
    return result;
  });
}

/** Executes one call. */
export async function call({ batch, timeout }: PackedCall): Promise<CallResult> {
  const { transport } = batch;
  try {
    const [incoming] = await openBatch(context, transport, unpack(batch), { exceptCalls: false });
    if (incoming === undefined) throw new Error('a call without a message');
    return await runCall({ context, incoming, transport, timeout });
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

export function maintain(): Promise<MaintenanceResult> {
  return maintainTables(context);
}

/** Outcomes are data: an error of ours, which holds the batch, crosses the thread boundary as such. */
async function guarded(batch: PackedBatch, work: () => Promise<BatchResult>): Promise<BatchResult> {
  try {
    const { codes, dead, heldBecause, notifications } = await work();
    return { codes, dead, heldBecause, notifications };
  } catch (error) {
    return { codes: new Uint8Array(batch.count).fill(HELD), dead: [], heldBecause: messageOf(error) };
  }
}
