import type { Config } from '../core/config/load.ts';
import type { Dispatcher } from '../core/gateway/dispatcher.ts';
import type { Supervisor } from '../core/gateway/supervisor.ts';
import { Calm } from '../jobs/calm.ts';
import type { Witness } from '../jobs/sweep-policy.ts';

/** The replica's knowledge of itself, for the sweep. */
export class SweepWitness {
  private readonly dispatcher: Pick<Dispatcher, 'heldBecause' | 'oldestUnsettled'>;
  private readonly calm: Calm;
  private readonly isNeeded: boolean;

  constructor(
    { sweep }: Config,
    transports: ReadonlyArray<{ readonly supervisor: Pick<Supervisor, 'state'> }>,
    dispatcher: Pick<Dispatcher, 'heldBecause' | 'oldestUnsettled'>,
    isDatabaseAway: () => boolean,
  ) {
    this.dispatcher = dispatcher;
    this.isNeeded = sweep.mode !== 'off';
    this.calm = new Calm(
      () =>
        isDatabaseAway() ||
        dispatcher.heldBecause !== undefined ||
        transports.some(({ supervisor: { state } }) => state !== 'consuming'),
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
