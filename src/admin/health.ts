import type { ClockReport } from '../core/gateway/clock-watch.ts';
import type { Counters } from '../core/gateway/counters.ts';
import type { DurabilityReport } from '../core/gateway/durability.ts';
import type { SupervisorState } from '../core/gateway/supervisor.ts';

/** The state of a replica, from which its health is computed. */
export interface Subject {
  readonly counters: ReadonlyMap<string, Counters>;
  readonly heldBecause: string | undefined;
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
}

export interface Health {
  /**
   * `ok`: messages flow on every transport. `degraded`: they flow on some transports only, or all messages of a method are put aside. `held`:
   * the database is away; no message is lost. `down`: no broker can be reached. `stopping`: the replica finishes its messages and ends.
   * `wedged`: the replica no longer works, and has to be started again.
   */
  readonly status: 'ok' | 'degraded' | 'held' | 'down' | 'stopping' | 'wedged';
  readonly heldBecause: string | undefined;
  readonly putAsideBecause: string | undefined;
  readonly wedgedBecause: string | undefined;
  readonly transports: Readonly<Record<string, TransportHealth>>;
  /** What a confirmed message survives, and why no more. */
  readonly durability: DurabilityReport;
  /** Guests whose clocks are wrong. */
  readonly clocks: ClockReport;
}

interface TransportHealth extends TransportState {
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
    const { state = 'stopped', lastError } = states[name] ?? {};
    const counts = { received, redelivered, outcomes, deadBy, released, held, heldBytes, waiting };
    return [name, { state, lastError: shown(lastError), ...counts }];
  });
  const { heldBecause, putAsideBecause, durability, wedgedBecause } = subject;
  // A parked transport waits for the database only.
  const isConsuming = transports.map(([, { state }]) => state === 'consuming' || state === 'parked');
  return {
    status: statusOf(isConsuming, subject),
    heldBecause: shown(heldBecause),
    putAsideBecause: shown(putAsideBecause),
    wedgedBecause: shown(wedgedBecause),
    transports: Object.fromEntries(transports),
    durability,
    clocks: subject.clocks(),
  };
}

function statusOf(
  isConsuming: ReadonlyArray<boolean>,
  {
    heldBecause,
    putAsideBecause,
    wedgedBecause,
    isStopping,
  }: Omit<Subject, 'counters' | 'clocks' | 'states' | 'mask'>,
): Health['status'] {
  if (isStopping) return 'stopping';
  if (wedgedBecause !== undefined) return 'wedged';
  if (!isConsuming.includes(true)) return 'down';
  if (heldBecause !== undefined) return 'held';
  return isConsuming.includes(false) || putAsideBecause !== undefined ? 'degraded' : 'ok';
}

/** Whether a load balancer or a rollout may use the replica: messages flow on at least one transport. */
export function isReady({ status }: Health): boolean {
  return status === 'ok' || status === 'degraded';
}
