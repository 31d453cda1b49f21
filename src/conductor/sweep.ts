import type { Config } from '../core/config/load.ts';
import type { Dispatcher } from '../core/gateway/dispatcher.ts';
import type { Supervisor } from '../core/gateway/supervisor.ts';
import type { Session } from '../core/transport/contract.ts';
import { Calm } from '../jobs/calm.ts';
import type { Witness } from '../jobs/sweep-policy.ts';

/** What a transport's supervisor tells about the way from the broker. */
interface Way extends Pick<Supervisor, 'state'> {
  readonly openSession: Pick<Session, 'stall'> | undefined;
}

/** The replica's knowledge of itself, for the sweep. */
export class SweepWitness {
  private readonly dispatcher: Pick<Dispatcher, 'heldBecause' | 'oldestUnsettled'>;
  private readonly calm: Calm;
  private readonly isNeeded: boolean;

  constructor(
    { sweep }: { readonly sweep: Pick<Config['sweep'], 'mode'> },
    transports: ReadonlyArray<{ readonly supervisor: Way }>,
    dispatcher: Pick<Dispatcher, 'heldBecause' | 'oldestUnsettled'>,
    isDatabaseAway: () => boolean,
  ) {
    this.dispatcher = dispatcher;
    this.isNeeded = sweep.mode !== 'off';
    this.calm = new Calm(
      () =>
        isDatabaseAway() ||
        dispatcher.heldBecause !== undefined ||
        transports.some(({ supervisor }) => !delivers(supervisor)),
    );
  }

  start(): void {
    if (this.isNeeded) this.calm.start();
  }

  stop(): void {
    this.calm.stop();
  }

  tell(): Witness {
    return { calmFor: this.calm.milliseconds, oldestUnsettled: this.dispatcher.oldestUnsettled };
  }
}

/** Whether heartbeats can arrive. Those that wait at a stalled broker are no silence of their guests. */
function delivers({ state, openSession }: Way): boolean {
  return state === 'consuming' && openSession?.stall === undefined;
}
