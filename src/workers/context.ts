import type pg from 'pg';
import { createPool } from './db.ts';
import { LockedKeys } from './locked-keys.ts';
import type { Manager } from './manager.ts';
import type { WorkerSettings } from './protocol.ts';
import { RefusalStorm } from './refusal-storm.ts';

/** What a worker thread's batches and calls share. */
export interface Context {
  readonly pool: pg.Pool;
  readonly manager: Manager;
  readonly settings: WorkerSettings;
  /**
   * By method, when a message of it was committed as applied last, in milliseconds of the monotonic clock: the contrast that convicts
   * one that fails. Bounded, since the methods are.
   */
  readonly appliedAt: Map<string, number>;
  readonly lockedKeys: LockedKeys;
  readonly storm: RefusalStorm;
}

/**
 * Opens a thread's connections and starts its memory empty.
 *
 * @param warn takes a line for the operator.
 */
export function createContext(
  settings: WorkerSettings,
  manager: Manager,
  warn?: (line: string) => void,
): Context {
  return {
    pool: createPool(settings, warn),
    manager,
    settings,
    appliedAt: new Map(),
    lockedKeys: new LockedKeys(),
    storm: new RefusalStorm(settings.deadLetters.stormShare),
  };
}
