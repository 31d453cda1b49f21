import type { Conductor } from '../../src/conductor/replica.ts';
import type { Config } from '../../src/core/config/load.ts';
import { Dispatcher } from '../../src/core/gateway/dispatcher.ts';
import { longestGathering } from '../../src/core/gateway/gathering.ts';
import { Supervisor } from '../../src/core/gateway/supervisor.ts';
import type { Logger } from '../../src/core/logger.ts';
import { type BatchResult, CALL } from '../../src/core/message/outcome.ts';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { applyBatch } from '../../src/workers/batch/apply.ts';
import type { BatchItem } from '../../src/workers/batch/item.ts';
import { decode } from '../../src/workers/batch/read.ts';
import { createThreadState, type ThreadState } from '../../src/workers/batch/thread-state.ts';
import { unsealEach } from '../../src/workers/batch/unseal-each.ts';
import { loadManager } from '../../src/workers/methods/load.ts';
import { pack, unpack } from '../../src/workers/packing.ts';
import { workerSettingsOf } from '../../src/workers/settings.ts';

/**
 * A replica without worker threads, as a baseline: it tells when the pool pays. Transport, dispatcher and the code of a batch are the
 * product's. It takes casts only, and has no jobs, no watches and no second try after an error.
 */
export async function startInline(
  config: Config,
  logger: Logger,
): Promise<Pick<Conductor, 'counters' | 'stop'>> {
  const settings = workerSettingsOf(config);
  const manager = await loadManager(settings.managerModule);
  const state = createThreadState(settings, manager);
  const dispatcher = new Dispatcher({
    run: (transport, batch) => runHere(state, transport, batch, config.maxBody),
    call: () => Promise.reject(new Error('the inline replica takes no calls')),
    waits: { look: () => Promise.resolve([]), maxWaiters: 0, mayHold: () => false, logger },
    slots: config.workers.concurrency,
    callSlots: 0,
    callTimeout: config.calls.timeout,
    busy: () => new Uint8Array(),
    maxBatch: config.workers.maxBatch,
    gathering: longestGathering,
    onDead: () => {},
    backoff: config.reconnect,
    logger,
  });
  const parts = config.transports.map(({ name, create }) => {
    const share = { messages: config.maxInFlight, bytes: config.maxInFlightBytes };
    const inlet = dispatcher.inlet(name, share);
    const transport = create({ share, replica: config.replica, logger });
    return {
      name,
      inlet,
      supervisor: new Supervisor({ transport, inlet, backoff: config.reconnect, logger }),
    };
  });
  for (const { supervisor } of parts) await supervisor.start();
  return {
    counters: new Map(parts.map(({ name, inlet }) => [name, inlet.counters])),
    async stop() {
      const deadline = AbortSignal.timeout(config.shutdown.deadline);
      for (const { supervisor } of parts) await supervisor.drain(deadline);
      await dispatcher.idle(deadline);
      dispatcher.stop();
      for (const { supervisor } of parts) await supervisor.stop(deadline, deadline);
      await state.pool.end();
    },
  };
}

/** As `run` of the worker's thread.ts, without its calls. */
async function runHere(
  state: ThreadState,
  transport: string,
  batch: ReadonlyArray<Delivery>,
  maxBody: number,
): Promise<BatchResult> {
  const raws = await unsealEach(state, transport, unpack(pack(transport, batch, maxBody)));
  const casts: BatchItem[] = [];
  for (const [index, raw] of raws.entries()) {
    const item = decode(raw, index, transport, state.manager, state.settings);
    if (item !== CALL) casts.push(item);
  }
  return applyBatch(state, casts, undefined, batch.length);
}
