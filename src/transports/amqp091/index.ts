import { type ChannelModel, connect } from 'amqplib';
import { defineKind, type TransportContext } from '../../core/config/transport-kind.ts';
import type { Deliver, Session, Transport } from '../../core/contracts.ts';
import { ConfigError, messageOf, NotConnected } from '../../core/errors.ts';
import { type Amqp091Options, amqp091Schema, withCodecDefaults } from './options.ts';
import { Amqp091Sender } from './sender.ts';
import { Amqp091Session } from './session.ts';
import { asConfigError, ensureTopology } from './topology.ts';

/** A short on the wire (AMQP 0-9-1, basic.qos); 0 would mean no bound. */
const maxPrefetch = 65_535;

class Amqp091Transport implements Transport {
  readonly name: string;
  private readonly options: Amqp091Options;
  private readonly context: TransportContext;

  constructor(options: Amqp091Options, context: TransportContext) {
    this.name = context.name;
    this.options = options;
    this.context = context;
  }

  async connect(deliver: Deliver): Promise<Session> {
    const connection = await this.open();
    // Until the session listens: an error during set-up rejects what is awaited, and would end the process as an event.
    connection.on('error', () => {});
    try {
      await ensureTopology(connection, this.options, this.context.logger);
      const channel = await connection.createChannel();
      await channel.prefetch(Math.min(this.context.share.messages, maxPrefetch));
      const session = new Amqp091Session(connection, channel, this.options, deliver);
      await session.start();
      return session;
    } catch (error) {
      await connection.close().catch(() => {});
      throw classify(error);
    }
  }

  private async open(): Promise<ChannelModel> {
    const { url, heartbeat, connectTimeout } = this.options;
    const target = new URL(url);
    if (!target.searchParams.has('heartbeat')) target.searchParams.set('heartbeat', String(heartbeat));
    try {
      return await connect(target.href, {
        timeout: connectTimeout,
        noDelay: true,
        keepAlive: true,
        clientProperties: { connection_name: `conductor ${this.context.replica}` },
      });
    } catch (error) {
      throw classify(error);
    }
  }
}

function classify(error: unknown): Error {
  const final = asConfigError(error);
  if (final instanceof ConfigError) return final;
  return error instanceof NotConnected ? error : new NotConnected(messageOf(error), { cause: error });
}

/** RabbitMQ, and whatever else speaks AMQP 0-9-1. */
export const amqp091 = defineKind(
  amqp091Schema,
  (options, context) => new Amqp091Transport(withCodecDefaults(options), context),
  (options, context) => new Amqp091Sender(withCodecDefaults(options), context),
);
