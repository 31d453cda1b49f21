import type { Channel, ChannelModel } from 'amqplib';
import type { TransportSetup } from '../../core/config/transport-kind.ts';
import { settledBy } from '../../core/deadline.ts';
import type { Deliver, Delivery, Publication, Session, Settlement } from '../../core/transport/contract.ts';
import type { Shortfall } from '../../core/transport/durability.ts';
import { HeldDelivery } from '../../core/transport/held-delivery.ts';
import type { SessionLife } from '../../core/transport/session-life.ts';
import { SettlingOrder } from '../../core/transport/settling-order.ts';
import { close, lifeOf } from './connect.ts';
import type { Amqp091Options } from './options.ts';
import { Publisher } from './publish.ts';
import { acknowledge, readMessages, requeue } from './read.ts';
import type { MetaReader } from './read-meta.ts';
import type { Message } from './read-properties.ts';
import { readersOf } from './read-trace.ts';
import { Prefetch } from './session-prefetch.ts';
import { ensureTopicQueue, ensureTopology, whyCancelled } from './topology.ts';

/** The largest prefetch: a short on the wire (AMQP 0-9-1, basic.qos). 0 would mean no bound. */
const maxPrefetch = 65_535;

/**
 * Checks or declares the topology and starts consuming.
 *
 * @param connect opens another connection, for answers.
 */
export async function beginSession(
  connection: ChannelModel,
  connect: () => Promise<ChannelModel>,
  options: Amqp091Options,
  { share, logger, readsTrace }: Pick<TransportSetup, 'share' | 'logger' | 'readsTrace'>,
  deliver: Deliver,
): Promise<Session> {
  const durability = await ensureTopology(connection, options, logger);
  const channel = await connection.createChannel();
  const prefetch = new Prefetch(Math.min(share.messages, maxPrefetch));
  const publisher = new Publisher(connect, options);
  const own = { options, durability, readsTrace };
  const session = new Amqp091Session(connection, channel, publisher, prefetch, own, deliver);
  await session.start();
  return session;
}

interface OwnSetup {
  readonly options: Amqp091Options;
  readonly durability: ReadonlyArray<Shortfall>;
  readonly readsTrace: boolean | undefined;
}

/** A delivery, settled by its delivery tag. */
class Amqp091Delivery extends HeldDelivery<number> {}

/**
 * One connection with one channel and one consumer; and a second connection to publish on.
 *
 * Batches finish out of order. One acknowledgement covers all deliveries up to a tag, so the longest settled prefix costs one frame. If
 * a message at its front takes long, the deliveries behind it are acknowledged singly. Otherwise they would fill the prefetch.
 */
class Amqp091Session implements Session {
  readonly durability: ReadonlyArray<Shortfall>;
  private readonly life: SessionLife;
  private readonly connection: ChannelModel;
  private readonly channel: Channel;
  private readonly options: Amqp091Options;
  private readonly deliver: Deliver;
  private readonly order: SettlingOrder<Amqp091Delivery>;
  private readonly publisher: Publisher;
  private readonly prefetch: Prefetch;
  /** Consumers are started and cancelled one at a time, in order. */
  private flow: Promise<void> = Promise.resolve();
  private consumerTag: string | undefined;
  private wanted = false;
  /** By topic: a promise that resolves once a queue is bound to it. */
  private readonly listened = new Map<string, Promise<void>>();
  private readonly metas: MetaReader;

  constructor(
    connection: ChannelModel,
    channel: Channel,
    publisher: Publisher,
    prefetch: Prefetch,
    { options, durability, readsTrace }: OwnSetup,
    deliver: Deliver,
  ) {
    this.durability = durability;
    this.connection = connection;
    this.channel = channel;
    this.options = options;
    this.deliver = deliver;
    const { metas, Reader } = readersOf(options.auth.mode, readsTrace);
    this.metas = metas;
    this.publisher = publisher;
    this.prefetch = prefetch;
    this.life = lifeOf(connection, channel);
    this.order = new SettlingOrder(prefetch.bound, (deliveries, inOrder) =>
      this.acknowledge(deliveries, inOrder),
    );
    this.life.atEnd(() => this.order.stop());
    this.life.atEnd(() => void publisher.close());
    const bySubject = options.auth.mode === 'subject';
    readMessages(connection, channel, (message) => this.receive(message), bySubject, Reader);
  }

  get closed(): Promise<Error | undefined> {
    return this.life.closed;
  }

  /** Starts consuming. Rejects if the broker refuses it. */
  async start(): Promise<void> {
    this.wanted = true;
    await this.adjust();
  }

  settle(deliveries: ReadonlyArray<Delivery>, settlement: Settlement): void {
    // While the session stops, its channel is being closed. The broker then takes back the unsettled messages.
    if (!this.life.open || this.life.stopping) return;
    const own = deliveries.filter((delivery) => delivery instanceof Amqp091Delivery);
    if (settlement === 'release') {
      this.giveBack(own);
      this.order.remove(own);
    } else {
      this.order.settle(own);
      this.adjustPrefetch(own.length);
    }
  }

  async publish(publication: Publication): Promise<void> {
    const { to } = publication;
    if (to.kind === 'topic') await this.ensureListened(to.name);
    await this.publisher.publish(publication);
  }

  /** Like oslo's notifier: the queue exists before its consumer, so notifications wait there for it. */
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
    if (!this.life.stopping) this.want(true);
  }

  async drain(deadline: AbortSignal): Promise<void> {
    this.want(false);
    await settledBy(this.flow, deadline);
  }

  /** Closes the channel after all acknowledgements. The broker then takes back the unsettled messages. */
  async stop(deadline: AbortSignal): Promise<void> {
    await this.life.stop(deadline, async () => {
      this.order.flush();
      // The channel closes first: its frames have a queue of their own, apart from the connection's.
      await close(this.channel);
      await close(this.connection);
    });
  }

  private want(consuming: boolean): void {
    this.wanted = consuming;
    this.flow = this.flow.then(() => this.adjust()).catch((error: Error) => this.life.fail(error));
  }

  private async adjust(): Promise<void> {
    const { life, prefetch, order } = this;
    if (!life.open || life.stopping) return;
    if (this.consumerTag !== undefined && (!this.wanted || prefetch.isTooSmall)) {
      const { consumerTag } = this;
      this.consumerTag = undefined;
      await this.channel.cancel(consumerTag);
    }
    if (this.wanted && this.consumerTag === undefined && prefetch.mayConsume(order.size)) {
      await this.channel.prefetch(prefetch.grant(order.size));
      const { queue } = this.options;
      // The library does not see the channel's messages.
      const cancelled = () => {
        void whyCancelled(this.connection, queue).then((why) => life.fail(why));
      };
      const { consumerTag } = await this.channel.consume(queue, cancelled);
      this.consumerTag = consumerTag;
    }
  }

  private adjustPrefetch(settled: number): void {
    if (this.prefetch.settled(settled, this.order.size) && this.wanted) this.want(true);
  }

  private receive(message: Message): void {
    // A session that has ended cannot use it. If the session stops, the broker takes it back.
    if (!this.life.open || this.life.stopping) return;
    const delivery = new Amqp091Delivery(this, message.body, this.metas.of(message), message.deliveryTag);
    if (this.deliver(delivery)) {
      this.order.track(delivery);
    } else {
      this.giveBack([delivery]);
      // The first refusal. More deliveries may come before the broker learns of it.
      if (this.wanted) this.prefetch.refused(this.order.size);
      this.pause();
    }
  }

  private acknowledge(deliveries: ReadonlyArray<Amqp091Delivery>, inOrder: boolean): void {
    const { connection, channel, life } = this;
    if (!life.open) return;
    const allUpTo = inOrder && deliveries.length > 1;
    const told = allUpTo ? deliveries.slice(-1) : deliveries;
    acknowledge(connection, channel, told.map(tagOf), allUpTo);
  }

  private giveBack(deliveries: ReadonlyArray<Amqp091Delivery>): void {
    requeue(this.connection, this.channel, deliveries.map(tagOf));
  }
}

function tagOf({ handle }: Amqp091Delivery): number {
  return handle;
}
