import type { Config } from './core/config/load.ts';
import type { Dispatcher } from './core/gateway/dispatcher.ts';
import type { Supervisor } from './core/gateway/supervisor.ts';
import { Calm } from './jobs/calm.ts';
import type { Witness } from './jobs/sweep-policy.ts';

interface Parts {
  readonly supervisors: ReadonlyArray<Pick<Supervisor, 'state'>>;
  readonly dispatcher: Pick<Dispatcher, 'heldBecause' | 'oldestUnsettled'>;
  readonly isDatabaseAway: () => boolean;
}

/** What the replica knows of itself, for the sweep. */
export class SweepWitness {
  private readonly parts: Parts;
  private readonly calm: Calm;
  private readonly isNeeded: boolean;

  constructor({ sweep }: Config, parts: Parts) {
    const { supervisors, dispatcher, isDatabaseAway } = parts;
    this.parts = parts;
    this.isNeeded = sweep.mode !== 'off';
    this.calm = new Calm(
      () =>
        isDatabaseAway() ||
        dispatcher.heldBecause !== undefined ||
        supervisors.some(({ state }) => state !== 'consuming'),
    );
  }

  start(): void {
    if (this.isNeeded) this.calm.start();
  }

  stop(): void {
    this.calm.stop();
  }

  tell(): Witness {
    const { oldestUnsettled } = this.parts.dispatcher;
    return { calmFor: this.calm.milliseconds, oldestUnsettled };
  }
}
