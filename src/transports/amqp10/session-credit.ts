import type { Receiver } from 'rhea';
import type { Settlement } from '../../core/transport/contract.ts';

/**
 * The credit of the broker. Deliveries that are unsettled, and those that the broker may still send, never exceed the bound together.
 *
 * The inlet also bounds bytes, which the broker does not know. A refusal closes the window to a part of the taken deliveries. The window
 * opens again with each window that is settled. Otherwise the broker would send all that the bound allows again and again.
 */
export class Credit {
  private readonly receiver: Receiver;
  private readonly bound: number;
  private window: number;
  /** Deliveries that have come and are unsettled. */
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

  /** The last delivery was aborted: there is nothing to settle. */
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

  /** The last delivery was refused. */
  refused(): void {
    const taken = this.unsettled - 1;
    if (taken > 0) this.window = Math.ceil(taken * 0.75);
    this.settledInWindow = 0;
    this.pause();
  }

  /**
   * Takes the credit back with an empty flow frame (AMQP 1.0, section 2.6.7). It does not drain: a drain empties the queue first, and it
   * crashes the session on RabbitMQ 3.10.
   */
  pause(): void {
    if (!this.flowing) return;
    this.flowing = false;
    // If the session resumes in the same turn, the flow frame is not needed.
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
    // The library can only add credit. The next flow frame carries the credit that is set here.
    Reflect.set(this.receiver, 'credit', -1);
    this.receiver.add_credit(1);
  }

  /**
   * Grants credit only after all granted credit is used. RabbitMQ 3.10 resets the credit of a queue with each flow frame, and deliveries
   * that the queue has sent meanwhile come on top. It also waits for several deliveries, since a flow frame for each costs too much.
   */
  private grant(): void {
    if (!this.flowing || this.granted > 0) return;
    const room = this.window - this.unsettled;
    if (room <= 0 || room * 16 < this.window) return;
    this.granted = room;
    this.receiver.add_credit(room);
  }
}
