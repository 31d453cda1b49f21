import { workerData } from 'piscina';
import { messageOf } from '../core/errors.ts';
import { type BatchResult, dead, HELD } from '../core/outcome.ts';
import { applyBatch, type Context } from './apply.ts';
import { createPool } from './db.ts';
import { decode } from './decode.ts';
import { maintain as maintainTables } from './maintain.ts';
import type { Manager } from './manager.ts';
import { type MaintenanceResult, type PackedBatch, unpack, type WorkerSettings } from './protocol.ts';

/** The entry of a worker thread. Each export is a task that the main thread may ask for; none of them throws. */

const settings: WorkerSettings = workerData;
const { manager }: { manager: Manager } = await import(settings.managerModule ?? './manager.ts');
const context: Context = { pool: createPool(settings), manager, settings };

/** Resolves once the thread has loaded what it needs, which is when a task can run at all. */
export function ready(): void {}

/** Decodes, applies, commits. */
export function run(batch: PackedBatch): Promise<BatchResult> {
  return guarded(batch, async () => {
    const works = unpack(batch).map((incoming, index) =>
      decode(incoming, index, batch.transport, manager, settings),
    );
    return applyBatch(context, works);
  });
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
    const { codes, dead, heldBecause } = await work();
    return { codes, dead, heldBecause };
  } catch (error) {
    return { codes: new Uint8Array(batch.count).fill(HELD), dead: [], heldBecause: messageOf(error) };
  }
}
