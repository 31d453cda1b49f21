import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { settledBy } from '../../core/deadline.ts';
import { messageOf, NotConnected } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Deliver, Delivery, DeliveryMeta, Publication, Session } from '../../core/transport/contract.ts';
import { headerBlock } from './inside.ts';
import { Connection } from './lifetime.ts';
import { coreMeta } from './meta.ts';
import type { NatsOptions } from './options.ts';

/** Milliseconds between two log lines about dropped messages. */
const complaintInterval = 10_000;

/** Bytes of a header block, beyond which a body is copied: it would keep the block in memory, which no bound counts. */
const largestKept = 4096;

class CoreDelivery implements Delivery {
  readonly session: Session;
  readonly body: Uint8Array;
  readonly meta: DeliveryMeta;

  constructor(session: Session, body: Uint8Array, meta: DeliveryMeta) {
    this.session = session;
    this.body = body;
    this.meta = meta;
  }
}

/**
 * One connection that is a member of a queue group of core NATS, which keeps nothing: a message is delivered at most once, and
 * there is nothing to settle.
 *
 * Nobody can ask the broker to wait, and not to read would have it cut the connection with all that it has for us. So a
 * paused session leaves the group: other replicas get what comes. What is on its way by then and finds no room is dropped.
 */
export class CoreSession implements Session {
  readonly closed: Promise<Error | undefined>;
  private readonly broker: NatsConnection;
  private readonly connection: Connection;
  private readonly options: NatsOptions;
  private readonly deliver: Deliver;
  private readonly logger: Logger;
  private membership: Subscription | undefined;
  private left: Promise<unknown> = Promise.resolve();
  private wanted = false;
  private dropped = 0;
  private complaint: NodeJS.Timeout | undefined;

  constructor(broker: NatsConnection, options: NatsOptions, deliver: Deliver, logger: Logger) {
    this.broker = broker;
    this.options = options;
    this.deliver = deliver;
    this.logger = logger;
    this.connection = new Connection(broker, [options.subject]);
    this.closed = this.connection.closed;
    void this.closed.then(() => this.complain());
    this.join();
  }

  /** Nobody waits for it: the broker has forgotten the message. */
  settle(): void {}

  publish(publication: Publication): Promise<void> {
    return this.connection.publish(publication);
  }

  pause(): void {
    this.wanted = false;
    const { membership } = this;
    if (membership === undefined) return;
    this.membership = undefined;
    // What it fails with is the end of the connection.
    this.left = membership.drain().catch(() => {});
  }

  resume(): void {
    if (!this.connection.stopping) this.join();
  }

  async drain(deadline: AbortSignal): Promise<void> {
    this.pause();
    await settledBy(Promise.race([this.left, this.closed]), deadline);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.connection.stopping = true;
    if (!this.connection.open) return;
    await this.drain(deadline);
    await this.connection.close(deadline);
  }

  /** Resolves once the broker knows of the membership. */
  async ready(): Promise<void> {
    await this.broker.flush();
  }

  private join(): void {
    this.wanted = true;
    if (this.membership !== undefined || !this.connection.open) return;
    const { subject, queueGroup } = this.options;
    try {
      this.membership = this.broker.subscribe(subject, {
        queue: queueGroup,
        callback: (error, message) => {
          if (error !== null) this.connection.fail(new NotConnected(error.message, { cause: error }));
          else this.receive(message);
        },
      });
    } catch (error) {
      this.connection.fail(new NotConnected(messageOf(error), { cause: error }));
    }
  }

  private receive(message: Msg): void {
    if (!this.connection.open) return;
    const { data } = message;
    const isSmall = (headerBlock(message)?.length ?? 0) <= largestKept;
    const body = isSmall ? data : Uint8Array.from(data);
    const delivery = new CoreDelivery(this, body, coreMeta(message, this.options));
    if (this.deliver(delivery)) return;
    this.dropped += 1;
    this.complaint ??= setTimeout(() => this.complain(), complaintInterval);
    if (this.wanted) this.pause();
  }

  private complain(): void {
    clearTimeout(this.complaint);
    this.complaint = undefined;
    if (this.dropped > 0)
      this.logger.warn({ dropped: this.dropped }, 'more came than there was room for: the rest is lost');
    this.dropped = 0;
  }
}
