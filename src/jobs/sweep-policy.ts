import type { Census } from './census.ts';
import type { Unsettled } from './sql/find-oldest-unsettled.ts';

export interface SweepLimits {
  /** Milliseconds. */
  readonly heartbeatExpiry: number;
  /** Milliseconds after a start or an outage in which nobody is judged. */
  readonly grace: number;
  /** The part of the fleet that is marked in a minute at most. */
  readonly maxShare: number;
  /** The part of the fleet beyond which the fault is probably ours. */
  readonly suspect: number;
}

/** What this replica knows of itself. */
export interface Witness {
  /** Milliseconds since the start of the replica or the end of the last outage that it knows of; 0 during one. */
  readonly calmFor: number;
  /** Milliseconds for which the oldest unsettled message is in memory. */
  readonly oldestUnsettled: number;
}

export type Verdict =
  /** `slowly`: more are silent than may be marked in a minute. */
  | { readonly marks: number; readonly slowly: boolean }
  /** Nobody is judged. */
  | { readonly because: string; readonly isSuspect: boolean };

/** The part of the heartbeats that may be delayed, for example by guests whose clocks are behind. */
const delayedShare = 0.1;
/** The part of the usual pace at which the sweep goes on if many are silent. */
const slow = 0.1;

/** Whether anybody may be judged, by what the replica knows before it looks at the fleet. */
export function reasonToWait(
  { calmFor, oldestUnsettled }: Witness,
  { grace, heartbeatExpiry }: SweepLimits,
): string | undefined {
  if (calmFor < grace)
    return calmFor === 0
      ? 'a broker or the database is away'
      : 'a short time ago this replica started, or a broker or the database was lost or came back (sweep.grace)';
  if (oldestUnsettled > heartbeatExpiry)
    return 'messages are unsettled for longer than sweep.heartbeatExpiry: heartbeats may be among them';
  return undefined;
}

/** Whether anybody may be judged, by what the peers have told of themselves. */
export function reasonOfPeer(
  oldest: Unsettled | undefined,
  { heartbeatExpiry }: Pick<SweepLimits, 'heartbeatExpiry'>,
): string | undefined {
  return oldest !== undefined && oldest.oldestUnsettled > heartbeatExpiry
    ? `the replica ${oldest.replica} may have messages that are unsettled for longer than sweep.heartbeatExpiry: heartbeats may be among them`
    : undefined;
}

/** How many may be marked now. */
export function judge(
  { watched, late, silent, overdue, recent, delayed, marked, serverAge }: Census,
  { grace, maxShare, suspect }: SweepLimits,
): Verdict {
  if (serverAge < grace)
    return { because: "the database's server started a short time ago (sweep.grace)", isSuspect: false };
  if (delayed > recent * delayedShare)
    return {
      because: `a backlog is being worked off: ${delayed} of ${recent} heartbeats were on their way for long`,
      isSuspect: false,
    };
  if (late > watched * suspect)
    return { because: `${late} of ${watched} guests are late or silent`, isSuspect: true };
  const due = silent + overdue;
  const usual = Math.max(1, Math.floor(watched * maxShare));
  const slowly = due + marked > usual;
  const pace = slowly ? Math.max(1, Math.floor(usual * slow)) : usual;
  return { marks: Math.max(0, Math.min(due, pace - marked)), slowly };
}
