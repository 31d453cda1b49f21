import type { Subscription } from '@nats-io/transport-node';
import { settledBy } from '../../core/deadline.ts';
import type { Logger } from '../../core/logger.ts';
import type { Deliver, Delivery, DeliveryMeta, Publication, Session } from '../../core/transport/contract.ts';
import { MetaReader } from './headers.ts';
import type { Wire } from './inside.ts';
import { Connection } from './lifetime.ts';
import type { NatsOptions } from './options.ts';
import type { Incoming } from './read.ts';

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
  private readonly connection: Connection;
  private readonly options: NatsOptions;
  private readonly deliver: Deliver;
  private readonly meta: MetaReader;
  private readonly logger: Logger;
  private membership: Subscription | undefined;
  private left: Promise<unknown> = Promise.resolve();
  private wanted = false;
  private dropped = 0;
  private complaint: NodeJS.Timeout | undefined;

  constructor(wire: Wire, options: NatsOptions, deliver: Deliver, logger: Logger) {
    this.options = options;
    this.deliver = deliver;
    this.logger = logger;
    this.meta = new MetaReader(options);
    this.connection = new Connection(wire, [options.subject]);
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

  private join(): void {
    this.wanted = true;
    if (this.membership !== undefined || !this.connection.open) return;
    const { subject, queueGroup } = this.options;
    this.membership = this.connection.subscribe(subject, (message) => this.receive(message), {
      queue: queueGroup,
    });
  }

  private receive(message: Incoming): void {
    if (!this.connection.open) return;
    const { bytes, replyAt, replyEnd, blockAt, bodyAt, end } = message;
    const data = bytes.subarray(bodyAt, end);
    const body = bodyAt - blockAt <= largestKept ? data : Buffer.from(data);
    const answerTo = replyAt < replyEnd ? bytes.toString('utf8', replyAt, replyEnd) : undefined;
    const delivery = new CoreDelivery(this, body, this.meta.read(message, false, answerTo));
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
