import type pg from 'pg';
import type { Manager } from '../methods/contract.ts';
import { createPool } from '../postgres/transaction.ts';
import type { WorkerSettings } from '../settings.ts';
import type { InstanceKeys } from './instance-keys.ts';
import { LockedKeys } from './locked-keys.ts';
import { RefusalStorm } from './refusal-storm.ts';

/** What a worker thread's batches and calls share. */
export interface ThreadState {
  readonly pool: pg.Pool;
  readonly manager: Manager;
  readonly settings: WorkerSettings;
  /**
   * By method, when a message of it was committed as applied last, in milliseconds of the monotonic clock: the contrast that convicts
   * one that fails. Bounded, since the methods are.
   */
  readonly appliedAt: Map<string, number>;
  readonly lockedKeys: LockedKeys;
  /** Of the transports with auth `trove`, by name. */
  readonly instanceKeys: Map<string, InstanceKeys>;
  readonly storm: RefusalStorm;
}

/**
 * Opens a thread's connections and starts its memory empty.
 *
 * @param warn takes a line for the operator.
 */
export function createThreadState(
  settings: WorkerSettings,
  manager: Manager,
  warn?: (line: string) => void,
): ThreadState {
  return {
    pool: createPool(settings, warn),
    manager,
    settings,
    appliedAt: new Map(),
    lockedKeys: new LockedKeys(),
    instanceKeys: new Map(),
    storm: new RefusalStorm(settings.deadLetters.stormShare),
  };
}
