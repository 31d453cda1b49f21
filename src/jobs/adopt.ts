import { messageOf } from '../core/errors.ts';
import type { Adoption, LeftSession } from '../core/gateway/adoption.ts';
import type { Logger } from '../core/logger.ts';
import { Outage } from '../core/quiet-log.ts';
import { type Job, type JobResult, type JobsDatabase, perTransport } from './contract.ts';
import { type Claim, claimSession, extendClaim, lockClaim, removeClaimed } from './sql/claim-session.ts';

export interface AdoptOptions {
  readonly transport: string;
  /** Of this replica. */
  readonly replica: string;
  readonly clientId: string;
  /** Milliseconds without a sign of life after which a replica is gone. */
  readonly after: number;
  /** Milliseconds that a round may take. The next round takes the rest. */
  readonly longestRound: number;
  /** Whether this replica may judge others, and has a session of its own to which the broker sends what is new. */
  readonly mayAdopt: () => boolean;
  /** As `Adopter` does. */
  readonly adopt: (
    left: LeftSession,
    signal: AbortSignal,
    whileOwned: (end: () => Promise<boolean>) => Promise<void>,
  ) => Promise<Adoption>;
  readonly database: JobsDatabase;
  readonly logger: Logger;
}

/** Milliseconds between two rounds, at most. */
const longestInterval = 5000;

/** Milliseconds until a claim runs out, at most. */
const longestClaim = 30_000;

/** A claim is extended so many times before it runs out. */
const extensions = 6;

/** Milliseconds for which a session is left alone that the broker did not give, at most. Others have their turn. */
const refusedFor = 60_000;

/**
 * Takes over the sessions that the broker keeps for replicas that are gone: it applies their messages and ends the sessions.
 *
 * ```
 *  no sign of life for `after` ──► claimed ──► emptied ──► ended, row removed
 *                                    │  └── the owner is back ──► left to it
 *                                    └── the adopter is lost ──► the claim runs out ──► claimed by a peer
 * ```
 */
export function adoptJob(options: AdoptOptions): Job {
  const { transport, replica, clientId, after, longestRound, mayAdopt, database, logger } = options;
  const outage = new Outage();
  return {
    name: perTransport('adopt', transport),
    every: Math.min(longestInterval, after / 4),
    async run(roundSignal) {
      const signal = AbortSignal.any([roundSignal, AbortSignal.timeout(longestRound)]);
      let result: JobResult = {};
      while (!signal.aborted && mayAdopt()) {
        const found = await database.transaction((db) =>
          claimSession(db, { transport, replica, clientId, after, lasts: claimTime(after) }),
        );
        if (found === undefined) return result;
        const claim: Claim = { transport, clientId: found.clientId, adopter: replica };
        try {
          await takeOver(found, claim, signal, options);
          if (outage.end()) logger.info('sessions are taken over again');
        } catch (error) {
          const because = `the session ${found.clientId} cannot be taken over: ${messageOf(error)}`;
          result = { failedBecause: because };
          if (outage.fail(because))
            logger.warn(
              { code: 'adoption-waits', because, replica: found.replica },
              'the messages of a replica that is gone wait',
            );
          await database.transaction((db) => extendClaim(db, claim, Math.min(refusedFor, after)));
        }
      }
      return { ...result, isUnfinished: signal.aborted && !roundSignal.aborted };
    },
  };
}

/** Rejects if the broker or the database does not answer, or refuses. */
async function takeOver(
  found: LeftSession,
  claim: Claim,
  signal: AbortSignal,
  { adopt, after, database, logger }: AdoptOptions,
): Promise<void> {
  const lost = new AbortController();
  const lasts = claimTime(after);
  const interval = lasts / extensions;
  let extendedAt = performance.now();
  const alive = setInterval(() => {
    database
      .transaction((db) => extendClaim(db, claim, lasts))
      .then(
        (isOurs) => {
          extendedAt = performance.now();
          if (!isOurs) lost.abort();
        },
        () => {
          if (performance.now() - extendedAt > lasts - interval) lost.abort();
        },
      );
  }, interval);
  const of = { replica: found.replica, clientId: found.clientId };
  try {
    const { end, messages } = await adopt(found, AbortSignal.any([signal, lost.signal]), (end) =>
      database.transaction(async (db) => {
        if ((await lockClaim(db, claim)) && (await end())) await removeClaimed(db, claim);
      }),
    );
    if (end === 'ended') {
      logger.info({ ...of, messages }, 'took over the messages of a replica that is gone');
      return;
    }
    const isBack = end === 'displaced' || lost.signal.aborted;
    logger.info(
      { ...of, messages },
      isBack
        ? 'a replica that was gone has its session again: the rest of its messages is left to it'
        : 'took over some messages of a replica that is gone; the rest follows',
    );
    // The owner has no sign of life in the database, or none yet. It keeps its session nevertheless.
    const pause = isBack ? after : messages === 0 ? Math.min(refusedFor, after) : 0;
    await database.transaction((db) => extendClaim(db, claim, pause));
  } finally {
    clearInterval(alive);
  }
}

/** Milliseconds until a claim runs out. */
function claimTime(after: number): number {
  return Math.min(longestClaim, after);
}
