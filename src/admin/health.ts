import type { Adopting } from '../core/gateway/adoption.ts';
import type { ClockReport } from '../core/gateway/clock-watch.ts';
import type { Counters } from '../core/gateway/counters.ts';
import type { DurabilityReport } from '../core/gateway/durability.ts';
import type { SupervisorState } from '../core/gateway/supervisor.ts';
import type { Stall } from '../core/transport/contract.ts';

/** The state of a replica, from which its health is computed. */
export interface Subject {
  readonly counters: ReadonlyMap<string, Counters>;
  readonly heldBecause: string | undefined;
  /** Milliseconds since the epoch. */
  readonly heldSince: number | undefined;
  /** Why all messages of a method are put aside; undefined if none are. */
  readonly putAsideBecause: string | undefined;
  readonly durability: DurabilityReport;
  /** Why only a restart helps; undefined while the replica works. */
  readonly wedgedBecause: string | undefined;
  /** Whether the replica stops or has stopped. */
  readonly isStopping: boolean;
  /** Guests whose clocks are wrong. */
  clocks(): ClockReport;
  states(): Readonly<Record<string, TransportState>>;
  /** Masks the secrets of the configuration in a text that is shown: a library's error may quote what it was given. */
  readonly mask: (text: string) => string;
}

export interface TransportState {
  readonly state: SupervisorState;
  /** The error that ended the last session or the last attempt. */
  readonly lastError: string | undefined;
  /** Milliseconds since the epoch. */
  readonly lastErrorAt: number | undefined;
  /** Set while the broker delivers nothing although messages wait. */
  readonly stall: Stall | undefined;
  /** Set while the replica takes over the session of one that is gone. */
  readonly adopting: Adopting | undefined;
}

export interface Health {
  /**
   * `ok`: messages flow on every transport. `degraded`: they flow on some transports only, a broker has stalled, or all messages of a method are
   * put aside. `held`: the database is away; no message is lost. `down`: no broker can be reached. `stopping`: the replica finishes its messages and ends.
   * `wedged`: the replica no longer works, and has to be started again.
   */
  readonly status: 'ok' | 'degraded' | 'held' | 'down' | 'stopping' | 'wedged';
  readonly heldBecause: string | undefined;
  /** Since when, whatever the reasons were meanwhile. ISO 8601. */
  readonly heldSince: string | undefined;
  readonly putAsideBecause: string | undefined;
  readonly wedgedBecause: string | undefined;
  readonly transports: Readonly<Record<string, TransportHealth>>;
  /** What a confirmed message survives, and why no more. */
  readonly durability: DurabilityReport;
  /** Guests whose clocks are wrong. */
  readonly clocks: ClockReport;
}

interface TransportHealth extends Pick<TransportState, 'state' | 'lastError'> {
  /** ISO 8601. */
  readonly lastErrorAt: string | undefined;
  /** Set while the broker delivers nothing although messages wait: for how many seconds, why, and what to do. */
  readonly stalled: { readonly seconds: number; readonly because: string } | undefined;
  /** Set while the replica takes over the session of one that is gone: for how many seconds, and how many messages it has taken so far. */
  readonly adopting: (Omit<Adopting, 'since'> & { readonly seconds: number }) | undefined;
  readonly received: number;
  readonly redelivered: number;
  readonly outcomes: Readonly<Record<string, number>>;
  /** New dead letters by reason. */
  readonly deadBy: Readonly<Record<string, number>>;
  readonly released: number;
  readonly held: number;
  readonly heldBytes: number;
  /** The held calls that wait for a status. */
  readonly waiting: number;
}

/** The present health of a replica. Its texts have no secret. */
export function healthOf(subject: Subject): Health {
  const states = subject.states();
  const shown = (text: string | undefined) => text && subject.mask(text);
  const transports = [...subject.counters].map(([name, counters]): [string, TransportHealth] => {
    const { received, redelivered, outcomes, deadBy, released, held, heldBytes, waiting } = counters;
    const { state = 'stopped', lastError, lastErrorAt, stall, adopting } = states[name] ?? {};
    const stalled = stall && { seconds: secondsSince(stall.since), because: subject.mask(stall.because) };
    const counts = { received, redelivered, outcomes, deadBy, released, held, heldBytes, waiting };
    const last = { lastError: shown(lastError), lastErrorAt: isoTime(lastErrorAt) };
    return [name, { state, ...last, stalled, adopting: adoptingOf(adopting), ...counts }];
  });
  const { heldBecause, putAsideBecause, durability, wedgedBecause } = subject;
  // A parked transport waits for the database only.
  const isConsuming = transports.map(([, { state }]) => state === 'consuming' || state === 'parked');
  const isStalled = transports.some(([, { stalled }]) => stalled !== undefined);
  return {
    status: statusOf(isConsuming, isStalled, subject),
    heldBecause: shown(heldBecause),
    heldSince: isoTime(subject.heldSince),
    putAsideBecause: shown(putAsideBecause),
    wedgedBecause: shown(wedgedBecause),
    transports: Object.fromEntries(transports),
    durability,
    clocks: subject.clocks(),
  };
}

function adoptingOf(adopting: Adopting | undefined): TransportHealth['adopting'] {
  if (adopting === undefined) return undefined;
  const { replica, clientId, since, messages } = adopting;
  return { replica, clientId, seconds: secondsSince(since), messages };
}

function isoTime(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}

function secondsSince(since: number): number {
  return Math.round((performance.now() - since) / 1000);
}

function statusOf(
  isConsuming: ReadonlyArray<boolean>,
  isStalled: boolean,
  {
    heldBecause,
    putAsideBecause,
    wedgedBecause,
    isStopping,
  }: Omit<Subject, 'counters' | 'clocks' | 'states' | 'mask' | 'heldSince'>,
): Health['status'] {
  if (isStopping) return 'stopping';
  if (wedgedBecause !== undefined) return 'wedged';
  if (!isConsuming.includes(true)) return 'down';
  if (heldBecause !== undefined) return 'held';
  const isImpaired = isConsuming.includes(false) || isStalled || putAsideBecause !== undefined;
  return isImpaired ? 'degraded' : 'ok';
}

/**
 * Whether a load balancer or a rollout may use the replica: at least one transport consumes. A stalled broker does not count against it: all
 * replicas share its consumer, so another one gets no more, and a rollout that waits would not mend it.
 */
export function isReady({ status }: Health): boolean {
  return status === 'ok' || status === 'degraded';
}
