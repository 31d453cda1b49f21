import type { DeadNotice } from '../core/message/outcome.ts';
import { type Job, type JobsDatabase, perTransport } from './contract.ts';
import { expireNotifications, expireStep, type OutboxBounds } from './sql/expire-notifications.ts';

/** Milliseconds between two rounds. A replica publishes its own notifications at once, without a job. */
const every = 5000;

/** The same for a transport that publishes changes of status. Triggers write those, so no replica knows of them. */
const everyWithTransitions = 1000;

/** Steps of one round, at most. Then other replicas may go on. */
const maxSteps = 100;

export interface PublishOutboxOptions {
  readonly transport: string;
  readonly publishesTransitions: boolean;
  /** Publishes the due notifications. Resolves with the reason why some wait, if any do. Never rejects. */
  readonly publishDue: (signal: AbortSignal) => Promise<string | undefined>;
}

/** Publishes the notifications that are left: of a replica that was lost, of a broker that was away, or of a trigger. */
export function publishOutboxJob({ transport, publishesTransitions, publishDue }: PublishOutboxOptions): Job {
  return {
    name: perTransport('outbox', transport),
    every: publishesTransitions ? everyWithTransitions : every,
    async run(signal) {
      const because = await publishDue(signal);
      return because === undefined ? {} : { failedBecause: because };
    },
  };
}

export interface BoundOutboxOptions extends OutboxBounds {
  readonly database: JobsDatabase;
  readonly onDead: (notice: DeadNotice) => void;
}

/** Bounds the outbox by its count and its age. A notification beyond them becomes a dead letter. */
export function boundOutboxJob({ database, onDead, ...bounds }: BoundOutboxOptions): Job {
  return {
    name: 'bound-outbox',
    every,
    async run(signal) {
      for (let steps = 0; steps < maxSteps && !signal.aborted; steps += 1) {
        const expired = await database.transaction((db) => expireNotifications(db, bounds));
        for (const one of expired) onDead({ reason: 'unpublished', ...one });
        if (expired.length < expireStep) return {};
      }
      return { isUnfinished: true };
    },
  };
}
