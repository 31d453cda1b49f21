import type pg from 'pg';
import type { Manager } from '../methods/contract.ts';
import { createPool } from '../postgres/transaction.ts';
import type { WorkerSettings } from '../settings.ts';
import type { InstanceKeys } from './instance-keys.ts';
import { LetterFlood } from './leftovers/flood.ts';
import { LockedKeys } from './locked-keys.ts';
import { Quotas } from './quotas.ts';
import { RefusalStorm } from './refusal-storm.ts';
import { SenderKeys } from './sender-keys.ts';

/** The state that the batches and calls of one worker thread share. */
export interface ThreadState {
  readonly pool: pg.Pool;
  readonly manager: Manager;
  readonly settings: WorkerSettings;
  /**
   * By method, the time when a message was last committed as applied, in milliseconds of the monotonic clock. It is the contrast that
   * convicts a failing message. Bounded by the number of methods.
   */
  readonly appliedAt: Map<string, number>;
  readonly lockedKeys: LockedKeys;
  /** By the name of the transport, for transports with auth `trove`. */
  readonly instanceKeys: Map<string, InstanceKeys>;
  readonly quotas: Quotas;
  /** For transports with auth `hmac`. */
  readonly senderKeys: SenderKeys;
  readonly storm: RefusalStorm;
  readonly flood: LetterFlood;
  /** The arguments whose values dead letters do not keep. */
  readonly redact: ReadonlySet<string>;
}

/**
 * Opens a thread's connections and makes its empty state.
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
    quotas: new Quotas(settings.quotas),
    senderKeys: new SenderKeys(settings.keys),
    storm: new RefusalStorm(settings.deadLetters.stormShare),
    flood: new LetterFlood(settings.deadLetters),
    redact: new Set(settings.deadLetters.redact),
  };
}
