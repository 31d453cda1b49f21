import { defineKind, type TransportSetup } from '../../core/config/transport-kind.ts';
import type { Deliver, Session, Transport } from '../../core/transport/contract.ts';
import { classify, openConnection } from './connect.ts';
import { CoreSession } from './core-session.ts';
import type { Wire } from './inside.ts';
import { checkSender, type NatsOptions, natsSchema } from './options.ts';
import { NatsSender } from './sender.ts';
import { NatsSession } from './session.ts';
import { ensureTopology } from './topology.ts';

class NatsTransport implements Transport {
  readonly name: string;
  private readonly options: NatsOptions;
  private readonly context: TransportSetup;

  constructor(options: NatsOptions, context: TransportSetup) {
    this.name = context.name;
    this.options = options;
    this.context = context;
  }

  async connect(deliver: Deliver): Promise<Session> {
    const wire = await openConnection(this.options, `conductor ${this.context.replica}`);
    try {
      return await this.consume(wire, deliver);
    } catch (error) {
      await wire.connection.close();
      throw classify(error);
    }
  }

  private async consume(wire: Wire, deliver: Deliver): Promise<Session> {
    const { options, context } = this;
    const { share, logger } = context;
    if (options.jetstream) {
      const terms = await ensureTopology(wire.connection, options, share.messages, logger);
      return new NatsSession(wire, options, terms, share, deliver);
    }
    logger.warn(
      'jetstream is off: messages are delivered AT MOST ONCE. What comes while no replica is there, while the database is not, or while a replica ends, is LOST',
    );
    const session = new CoreSession(wire, options, deliver, logger);
    // The broker knows of the membership.
    await wire.connection.flush();
    return session;
  }
}

/** NATS with JetStream, or without. */
export const nats = defineKind(
  natsSchema,
  (options, context) => new NatsTransport(options, context),
  (options, context) => new NatsSender(options, context),
  checkSender,
);
