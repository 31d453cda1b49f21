import type { Subscription } from '@nats-io/transport-node';
import type { TransportSetup } from '../../core/config/transport-kind.ts';
import { settledBy } from '../../core/deadline.ts';
import type { Logger } from '../../core/logger.ts';
import type { Deliver, Publication, Session } from '../../core/transport/contract.ts';
import type { Shortfall } from '../../core/transport/durability.ts';
import { HeldDelivery } from '../../core/transport/held-delivery.ts';
import { nothingKept } from './durability.ts';
import type { NatsOptions } from './options.ts';
import type { Incoming } from './read.ts';
import type { MetaReader } from './read-headers.ts';
import type { Wire } from './read-library.ts';
import { createMetaReader } from './read-trace.ts';
import { Connection } from './session-connection.ts';

/** Milliseconds between two log lines about dropped messages. */
const complaintInterval = 10_000;

/** Bytes of a header block. After a larger one the body is copied: a view would keep the block in memory, which no bound counts. */
const largestKept = 4096;

/**
 * One connection that is a member of a queue group of core NATS. The broker keeps nothing: it delivers a message at most once, and
 * there is nothing to settle.
 *
 * The protocol cannot make the broker wait, and the broker cuts a connection that is not read. So a paused session leaves the group,
 * and other replicas get the messages. The session drops a message that is under way by then if there is no room for it.
 */
export class CoreSession implements Session {
  readonly durability: ReadonlyArray<Shortfall> = nothingKept;
  readonly givesBack = false;
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

  constructor(
    wire: Wire,
    options: NatsOptions,
    { logger, readsTrace }: Pick<TransportSetup, 'logger' | 'readsTrace'>,
    deliver: Deliver,
  ) {
    this.options = options;
    this.deliver = deliver;
    this.logger = logger;
    this.meta = createMetaReader(options, readsTrace);
    this.connection = new Connection(wire, [options.subject]);
    this.closed = this.connection.life.closed;
    void this.closed.then(() => this.complain());
    this.join();
  }

  /** Resolves once the broker knows of the membership. */
  subscribed(): Promise<void> {
    return this.connection.subscribed();
  }

  /** Nothing to do: the broker has forgotten the message. */
  settle(): void {}

  publish(publication: Publication): Promise<void> {
    return this.connection.publish(publication);
  }

  pause(): void {
    this.wanted = false;
    const { membership } = this;
    if (membership === undefined) return;
    this.membership = undefined;
    // It fails only if the connection ends.
    this.left = membership.drain().catch(() => {});
  }

  resume(): void {
    if (!this.connection.life.stopping) this.join();
  }

  async drain(deadline: AbortSignal): Promise<void> {
    this.pause();
    await settledBy(Promise.race([this.left, this.closed]), deadline);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await this.connection.stop(deadline, async () => {
      await this.drain(deadline);
      await this.connection.flush();
    });
  }

  private join(): void {
    this.wanted = true;
    if (this.membership !== undefined || !this.connection.life.open) return;
    const { subject, queueGroup } = this.options;
    this.membership = this.connection.subscribe(subject, (message) => this.receive(message), {
      queue: queueGroup,
    });
  }

  private receive(message: Incoming): void {
    if (!this.connection.life.open) return;
    const { bytes, replyAt, replyEnd, blockAt, bodyAt, end } = message;
    const data = bytes.subarray(bodyAt, end);
    const body = bodyAt - blockAt <= largestKept ? data : Buffer.from(data);
    const answerTo = replyAt < replyEnd ? bytes.toString('utf8', replyAt, replyEnd) : undefined;
    const delivery = new HeldDelivery(this, body, this.meta.read(message, false, answerTo), undefined);
    if (this.deliver(delivery)) return;
    this.dropped += 1;
    this.complaint ??= setTimeout(() => this.complain(), complaintInterval);
    if (this.wanted) this.pause();
  }

  private complain(): void {
    clearTimeout(this.complaint);
    this.complaint = undefined;
    if (this.dropped > 0)
      this.logger.warn(
        { code: 'messages-dropped', dropped: this.dropped },
        'more came than there was room for: the rest is lost',
      );
    this.dropped = 0;
  }
}
