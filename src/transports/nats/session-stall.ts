import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { Outage } from '../../core/quiet-log.ts';
import type { Stall } from '../../core/transport/contract.ts';

/** The part of a consumer's information that tells a stall. */
export interface ConsumerState {
  readonly num_pending: number;
  readonly num_ack_pending: number;
  readonly config: { readonly max_ack_pending?: number };
}

export interface StallWatchOptions {
  /** Milliseconds without a message after which the consumer is asked. Within `ack_wait` it delivers again what nobody has settled. */
  readonly after: number;
  readonly ask: () => Promise<ConsumerState>;
  readonly logger: Logger;
}

const because =
  'the consumer delivers nothing, since it counts as many unsettled messages as its max_ack_pending: if no other replica holds them, restart nats-server, or use 2.9.16 or later';

/**
 * Watches for a consumer that delivers nothing although messages wait, since it counts as many unsettled ones as it may. Either other replicas hold
 * them, or the server does not deliver them again: nats-server 2.9.10 did neither for forty minutes after it was killed.
 */
export class StallWatch {
  private readonly options: StallWatchOptions;
  private readonly outage = new Outage();
  private since = performance.now();
  private isAsking = false;
  /** The stall, while the consumer is known to have one. */
  present: Stall | undefined;

  constructor(options: StallWatchOptions) {
    this.options = options;
  }

  /** Call it often, more than once within `after`, with what has been since the last call. */
  tick({ hasReceived, isPulling }: { readonly hasReceived: boolean; readonly isPulling: boolean }): void {
    const now = performance.now();
    if (hasReceived) this.end();
    if (hasReceived || !isPulling) this.since = now;
    if (this.isAsking || now - this.since < this.options.after) return;
    const quietSince = this.present?.since ?? this.since;
    // At most one question in this time.
    this.since = now;
    this.isAsking = true;
    void this.look(quietSince).finally(() => {
      this.isAsking = false;
    });
  }

  private end(): void {
    this.present = undefined;
    if (this.outage.end()) this.options.logger.info('the consumer delivers again');
  }

  private async look(quietSince: number): Promise<void> {
    const { ask, logger } = this.options;
    const asked = this.since;
    let state: ConsumerState;
    try {
      state = await ask();
    } catch (error) {
      logger.debug({ error: messageOf(error) }, 'the consumer could not be asked why it delivers nothing');
      return;
    }
    // A message has come meanwhile, or nothing is asked for any more: the answer is about the time before.
    if (this.since !== asked) return;
    const { num_pending: waiting, num_ack_pending: unsettled, config } = state;
    const most = config.max_ack_pending ?? -1;
    if (waiting === 0 || most <= 0 || unsettled < most) {
      // Other replicas may have received all of it.
      this.end();
      return;
    }
    this.present = { since: quietSince, because };
    if (this.outage.fail(''))
      logger.warn({ code: 'consumer-stalled', waiting, unsettled, maxAckPending: most }, because);
  }
}
