import type { Config } from '../core/config/load.ts';
import { OutboxPublisher } from '../core/gateway/outbox.ts';
import type { Supervisor } from '../core/gateway/supervisor.ts';
import type { Logger } from '../core/logger.ts';
import type { WorkerPool } from '../workers/pool.ts';

/** Milliseconds that a stop waits for the last notifications at most. Other replicas publish the rest. */
const lastWords = 3000;

/** Milliseconds to wait until the broker accepts a notification. */
const patience = 10_000;

interface Consuming {
  readonly name: string;
  readonly supervisor: Supervisor;
}

/** The result of a batch, a call or a retry, as far as the outbox is concerned. */
interface Notifying {
  readonly notifies?: boolean | undefined;
}

/** The outbox of a replica. */
export interface ReplicaOutbox {
  /** Passes on a result. If notifications were stored, they are published at once. */
  note<Result extends Notifying>(transport: string, result: Result): Result;
  /** Publishes the due notifications. Resolves with the reason why some wait, if any do. Never rejects. */
  publishDue(transport: string, signal: AbortSignal): Promise<string | undefined>;
  /** By transport. */
  readonly counts: ReadonlyMap<string, OutboxPublisher['counts']>;
  /** Publishes what the last batches have stored. Never rejects. Ends at the deadline at the latest. */
  stop(deadline: AbortSignal): Promise<void>;
}

/** Joins the outbox in the database with the sessions of the transports. */
export function createOutbox(
  { reconnect: backoff }: Config,
  pool: WorkerPool,
  transports: ReadonlyArray<Consuming>,
  logger: Logger,
): ReplicaOutbox {
  const publishers = new Map(
    transports.map(({ name, supervisor }) => [
      name,
      new OutboxPublisher({
        claim: () => pool.claimNotifications(name),
        settle: (settled) => pool.settleNotifications(settled),
        session: () => supervisor.openSession,
        patience,
        backoff,
        logger: logger.child({ transport: name }),
      }),
    ]),
  );
  return {
    counts: new Map([...publishers].map(([name, { counts }]) => [name, counts])),
    note(transport, result) {
      if (result.notifies) publishers.get(transport)?.wake();
      return result;
    },
    async publishDue(transport, signal) {
      return publishers.get(transport)?.publishDue(signal);
    },
    async stop(deadline) {
      const soon = AbortSignal.any([deadline, AbortSignal.timeout(lastWords)]);
      await Promise.all([...publishers.values()].map((publisher) => publisher.stop(soon, deadline)));
    },
  };
}
