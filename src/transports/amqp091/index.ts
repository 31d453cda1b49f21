import { defineKind, type TransportSetup } from '../../core/config/transport-kind.ts';
import type { Deliver, Session, Transport } from '../../core/transport/contract.ts';
import { openConnection } from './connect.ts';
import { type Amqp091Options, amqp091Schema, checkSubject, withCodecDefaults } from './options.ts';
import { Publisher } from './publish.ts';
import { classify } from './replies.ts';
import { Amqp091Sender } from './sender.ts';
import { Amqp091Session } from './session.ts';
import { Prefetch } from './session-prefetch.ts';
import { ensureTopology } from './topology.ts';

/** A short on the wire (AMQP 0-9-1, basic.qos); 0 would mean no bound. */
const maxPrefetch = 65_535;

class Amqp091Transport implements Transport {
  readonly name: string;
  private readonly options: Amqp091Options;
  private readonly context: TransportSetup;

  constructor(options: Amqp091Options, context: TransportSetup) {
    this.name = context.name;
    this.options = options;
    this.context = context;
  }

  async connect(deliver: Deliver): Promise<Session> {
    const name = `conductor ${this.context.replica}`;
    const connection = await openConnection(this.options, name);
    try {
      await ensureTopology(connection, this.options, this.context.logger);
      const channel = await connection.createChannel();
      const publisher = new Publisher(() => openConnection(this.options, `${name}, answers`));
      const prefetch = new Prefetch(Math.min(this.context.share.messages, maxPrefetch));
      const session = new Amqp091Session(connection, channel, publisher, prefetch, this.options, deliver);
      await session.start();
      return session;
    } catch (error) {
      await connection.close().catch(() => {});
      throw classify(error);
    }
  }
}

/** RabbitMQ, and whatever else speaks AMQP 0-9-1. */
export const amqp091 = defineKind(
  amqp091Schema,
  (options, context) => new Amqp091Transport(withCodecDefaults(options), context),
  (options, context) => new Amqp091Sender(withCodecDefaults(options), context),
  checkSubject,
);
