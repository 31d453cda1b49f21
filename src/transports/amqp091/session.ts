import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { settledBy } from '../../core/deadline.ts';
import { NotConnected, Undeliverable } from '../../core/errors.ts';
import type { Deliver, Delivery, Publication, Session, Settlement } from '../../core/transport/contract.ts';
import { SettledPrefix } from '../../core/transport/settled-prefix.ts';
import { Amqp091Delivery, metaOf } from './delivery.ts';
import { failOnFault, faultOf } from './faults.ts';
import { letGo } from './frames.ts';
import type { Amqp091Options } from './options.ts';
import type { Prefetch } from './prefetch.ts';
import type { Publisher } from './publisher.ts';
import { ensureTopicQueue } from './topology.ts';

/** Milliseconds that what is settled may wait behind what is not, before it is acknowledged singly. */
const blockedPatience = 1000;

/**
 * One connection with one channel and one consumer, and another to publish on.
 *
 * Batches finish out of order. One acknowledgement covers everything up to a tag, so the longest settled prefix costs a single
 * frame; when a message at its front takes long, what waits behind it is acknowledged one by one, so that it does not fill
 * the prefetch.
 */
export class Amqp091Session implements Session {
  readonly closed: Promise<Error | undefined>;
  private readonly connection: ChannelModel;
  private readonly channel: Channel;
  private readonly options: Amqp091Options;
  private readonly deliver: Deliver;
  private readonly tracked = new SettledPrefix<Amqp091Delivery>();
  private readonly publisher: Publisher;
  private readonly prefetch: Prefetch;
  /** Any message, for what the library wants to see of one beside its delivery tag. */
  private sample: ConsumeMessage | undefined;
  private patience: NodeJS.Timeout | undefined;
  /** Consuming is asked for and given up one step at a time, in order. */
  private flow: Promise<void> = Promise.resolve();
  private consumerTag: string | undefined;
  private wanted = false;
  /** By topic: resolves once a queue is bound to it. */
  private readonly listened = new Map<string, Promise<void>>();
  private stopping = false;
  private open = true;
  private end: (error: Error | undefined) => void = () => {};

  constructor(
    connection: ChannelModel,
    channel: Channel,
    publisher: Publisher,
    prefetch: Prefetch,
    options: Amqp091Options,
    deliver: Deliver,
  ) {
    this.connection = connection;
    this.channel = channel;
    this.options = options;
    this.deliver = deliver;
    this.publisher = publisher;
    this.prefetch = prefetch;
    this.closed = new Promise((resolve) => {
      this.end = (error) => {
        this.open = false;
        clearTimeout(this.patience);
        void this.publisher.close();
        resolve(this.stopping ? undefined : (error ?? new NotConnected('the connection was closed')));
      };
    });
    channel.on('error', (error) => this.fail(error));
    channel.on('close', () => {
      if (!this.stopping) this.fail(new NotConnected('the channel was closed'));
    });
    connection.on('error', (error) => this.end(error));
    connection.on('close', (error) => this.end(error));
    failOnFault(connection, [channel], (error) => this.fail(error));
  }

  /** Starts consuming. Rejects if the broker refuses it. */
  async start(): Promise<void> {
    this.wanted = true;
    await this.adjust();
  }

  settle(deliveries: ReadonlyArray<Delivery>, settlement: Settlement): void {
    if (!this.open) return;
    try {
      this.settleOwn(
        deliveries.filter((delivery) => delivery instanceof Amqp091Delivery),
        settlement,
      );
    } catch (error) {
      // The library throws where its channel is being closed under us: the broker has them back.
      this.fail(faultOf(error));
    }
  }

  private settleOwn(own: ReadonlyArray<Amqp091Delivery>, settlement: Settlement): void {
    if (settlement === 'release') {
      this.tracked.remove(own);
      // Never reject: that counts toward a quorum queue's delivery limit.
      for (const { deliveryTag } of own) this.requeue(deliveryTag);
    } else {
      for (const delivery of own) this.tracked.settle(delivery);
      this.acknowledge();
      this.adjustPrefetch(own.length);
    }
  }

  /** A reply goes to the queue that the caller named, by way of the default exchange. */
  async publish({ to, body, correlationId }: Publication): Promise<void> {
    const { queue } = this.options;
    if (to.kind === 'reply' && to.name === queue)
      throw new Undeliverable(`the call names ${queue} for its answer, the queue that calls are taken from`);
    if (to.kind === 'topic') await this.ensureListened(to.name);
    const exchange = to.kind === 'reply' ? '' : this.options.exchange;
    await this.publisher.publish(exchange, to.name, body, {
      // Both wire forms are JSON. kombu, below oslo.messaging, hands on bytes unread where this is not said.
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      ...(correlationId !== undefined && { correlationId }),
    });
  }

  /** As oslo's notifier does: what nobody listens to yet is queued for whoever will. */
  private async ensureListened(topic: string): Promise<void> {
    if (this.options.codec !== 'oslo') return;
    const ensured = this.listened.get(topic) ?? ensureTopicQueue(this.connection, this.options, topic);
    this.listened.set(topic, ensured);
    try {
      await ensured;
    } catch (error) {
      this.listened.delete(topic);
      throw error;
    }
  }

  pause(): void {
    this.want(false);
  }

  resume(): void {
    if (!this.stopping) this.want(true);
  }

  async drain(deadline: AbortSignal): Promise<void> {
    this.want(false);
    await settledBy(this.flow, deadline);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.stopping = true;
    if (!this.open) return;
    // The broker takes back what is unsettled when the channel closes; acknowledgements before it have arrived by then.
    // Whatever closing fails with, the connection is given up right after.
    await settledBy(this.close(), deadline);
    if (this.open) this.destroy();
    await this.closed;
  }

  private async close(): Promise<void> {
    this.acknowledgeSingly();
    // The channel first: its frames are queued apart from the connection's, and closing that would overtake acknowledgements.
    await this.channel.close();
    await this.connection.close();
  }

  private want(consuming: boolean): void {
    this.wanted = consuming;
    this.flow = this.flow.then(() => this.adjust()).catch((error: Error) => this.fail(error));
  }

  private async adjust(): Promise<void> {
    if (!this.open || this.stopping) return;
    const { prefetch, tracked } = this;
    if (this.consumerTag !== undefined && (!this.wanted || prefetch.isTooSmall)) {
      const { consumerTag } = this;
      this.consumerTag = undefined;
      await this.channel.cancel(consumerTag);
    }
    if (this.wanted && this.consumerTag === undefined && prefetch.mayConsume(tracked.size)) {
      await this.channel.prefetch(prefetch.grant(tracked.size));
      const { consumerTag } = await this.channel.consume(this.options.queue, (message) => {
        try {
          this.receive(message);
        } catch (error) {
          this.fail(faultOf(error));
        }
      });
      this.consumerTag = consumerTag;
    }
  }

  private adjustPrefetch(settled: number): void {
    if (this.prefetch.settled(settled, this.tracked.size) && this.wanted) this.want(true);
  }

  private receive(message: ConsumeMessage | null): void {
    if (message === null) {
      this.fail(
        new NotConnected(`the broker cancelled the consumer: was queue ${this.options.queue} deleted?`),
      );
      return;
    }
    this.sample ??= sampleOf(message);
    const { deliveryTag } = message.fields;
    const meta = metaOf(message, this.options.auth.mode);
    const delivery = new Amqp091Delivery(this, deliveryTag, message.content, meta);
    if (this.deliver(delivery)) {
      this.tracked.track(delivery);
    } else {
      this.requeue(deliveryTag);
      // The first one; more may come before the broker has heard of it.
      if (this.wanted) this.prefetch.refused(this.tracked.size);
      this.pause();
    }
  }

  private acknowledge(): void {
    const prefix = this.tracked.takePrefix();
    const last = prefix.at(-1);
    if (last !== undefined) {
      this.ack(last.deliveryTag, prefix.length > 1);
      clearTimeout(this.patience);
      this.patience = undefined;
    }
    if (this.tracked.blocked) this.overtake();
  }

  /** Once the first message has been here for long, those behind it are acknowledged as they are settled: it may be a slow call. */
  private overtake(): void {
    const age = performance.now() - (this.tracked.oldest?.meta.receivedAt ?? 0);
    if (age >= blockedPatience) {
      this.acknowledgeSingly();
      return;
    }
    this.patience ??= setTimeout(() => {
      this.patience = undefined;
      try {
        this.acknowledge();
        this.adjustPrefetch(0);
      } catch (error) {
        this.fail(faultOf(error));
      }
    }, blockedPatience - age);
  }

  private acknowledgeSingly(): void {
    for (const { deliveryTag } of this.tracked.takeAll()) this.ack(deliveryTag, false);
  }

  private ack(deliveryTag: number, allUpTo: boolean): void {
    const { sample } = this;
    if (sample !== undefined)
      this.channel.ack({ ...sample, fields: { ...sample.fields, deliveryTag } }, allUpTo);
  }

  private requeue(deliveryTag: number): void {
    const { sample } = this;
    if (sample !== undefined)
      this.channel.nack({ ...sample, fields: { ...sample.fields, deliveryTag } }, false, true);
  }

  /** The session is of no use any more: closes the connection, which ends it. */
  private fail(error: Error): void {
    if (!this.open) return;
    this.end(error);
    this.connection.close().catch(() => this.destroy());
  }

  private destroy(): void {
    letGo(this.connection);
    this.end(undefined);
  }
}

/** Without the bytes that came with it. */
function sampleOf({ fields, properties }: ConsumeMessage): ConsumeMessage {
  const { consumerTag, deliveryTag, redelivered, exchange, routingKey } = fields;
  const copied = { consumerTag, deliveryTag, redelivered, exchange, routingKey };
  return { content: Buffer.alloc(0), properties, fields: copied };
}
