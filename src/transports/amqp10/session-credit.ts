import type { Receiver } from 'rhea';
import type { Settlement } from '../../core/transport/contract.ts';

/**
 * How much the broker may send: never more than the bound is unsettled or allowed to come.
 *
 * The lane also bounds bytes, of which the broker knows nothing. When it refuses a delivery for them, the window is closed to a part
 * of what it has taken, and opens again with each window that is settled; or all that the bound allows would be sent again and again.
 */
export class Credit {
  private readonly receiver: Receiver;
  private readonly bound: number;
  private window: number;
  /** Deliveries that have come and are not settled. */
  private unsettled = 0;
  /** Deliveries that the broker may still send; the client library counts in the same way. */
  private granted = 0;
  private flowing = false;
  private settledInWindow = 0;

  constructor(receiver: Receiver, bound: number) {
    this.receiver = receiver;
    this.bound = bound;
    this.window = bound;
  }

  received(): void {
    this.unsettled += 1;
    if (this.granted > 0) this.granted -= 1;
    this.grant();
  }

  /** What was received last was aborted: there is nothing to settle. */
  aborted(): void {
    this.unsettled -= 1;
    this.grant();
  }

  settled(count: number, settlement: Settlement): void {
    this.unsettled -= count;
    if (settlement === 'done') this.settledInWindow += count;
    if (this.window < this.bound && this.settledInWindow >= this.window) {
      this.window = Math.min(this.bound, Math.ceil(this.window * 1.25));
      this.settledInWindow = 0;
    }
    this.grant();
  }

  /** The delivery that was received last was refused. */
  refused(): void {
    const taken = this.unsettled - 1;
    if (taken > 0) this.window = Math.ceil(taken * 0.75);
    this.settledInWindow = 0;
    this.pause();
  }

  /**
   * Takes the credit back: a flow frame with none (AMQP 1.0, section 2.6.7). Not a drain, which empties the queue first, and crashes
   * the session on RabbitMQ 3.10.
   */
  pause(): void {
    if (!this.flowing) return;
    this.flowing = false;
    // Resumed in the same turn, it need not be asked for again.
    process.nextTick(() => this.takeBack());
  }

  resume(): void {
    if (this.flowing) return;
    this.flowing = true;
    this.grant();
  }

  private takeBack(): void {
    if (this.flowing || this.granted === 0) return;
    this.granted = 0;
    // The library only adds credit; a flow frame goes out with what it has then.
    Reflect.set(this.receiver, 'credit', -1);
    this.receiver.add_credit(1);
  }

  /**
   * Not before all that was granted has come: RabbitMQ 3.10 sets the credit of a queue anew with each flow frame, and what the queue
   * has sent in the meantime then comes on top. And not a few at a time: a flow frame for each message costs more than it gains.
   */
  private grant(): void {
    if (!this.flowing || this.granted > 0) return;
    const room = this.window - this.unsettled;
    if (room <= 0 || room * 16 < this.window) return;
    this.granted = room;
    this.receiver.add_credit(room);
  }
}
