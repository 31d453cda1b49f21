import { defineKind, type TransportSetup } from '../../core/config/transport-kind.ts';
import type { Deliver, Session, Transport } from '../../core/transport/contract.ts';
import { Amqp10Connection } from './connect.ts';
import { type Amqp10Options, amqp10Schema, withCodecDefaults } from './options.ts';
import { Amqp10Sender } from './sender.ts';
import { Amqp10Session } from './session.ts';

/** Deliveries that may be unsettled; more than any broker sends at once. */
const maxBound = 65_535;

class Amqp10Transport implements Transport {
  readonly name: string;
  private readonly options: Amqp10Options;
  private readonly context: TransportSetup;

  constructor(options: Amqp10Options, context: TransportSetup) {
    this.name = context.name;
    this.options = options;
    this.context = context;
  }

  async connect(deliver: Deliver): Promise<Session> {
    const { options, context } = this;
    const connection = await Amqp10Connection.open(options, `conductor ${context.replica}`);
    this.warnOfForgery(connection);
    const bound = Math.min(context.share.messages, maxBound);
    return Amqp10Session.start(connection, options, bound, deliver);
  }

  /** Its plugin believes a header of AMQP 0-9-1 that holds properties as AMQP 1.0 encodes them, and checks those of its own only. */
  private warnOfForgery({ broker: { rabbitmq } }: Amqp10Connection): void {
    if (this.options.auth.mode !== 'user-id' || rabbitmq === undefined) return;
    if (rabbitmq.major > 3 || (rabbitmq.major === 3 && rabbitmq.minor >= 13)) return;
    this.context.logger.warn(
      { rabbitmq: `${rabbitmq.major}.${rabbitmq.minor}` },
      'auth.mode user-id proves nothing over this RabbitMQ: who may publish over AMQP 0-9-1 can forge it',
    );
  }
}

/** RabbitMQ, Artemis, Qpid, and whatever else speaks AMQP 1.0. */
export const amqp10 = defineKind(
  amqp10Schema,
  (options, context) => new Amqp10Transport(withCodecDefaults(options), context),
  (options, context) => new Amqp10Sender(withCodecDefaults(options), context),
);
