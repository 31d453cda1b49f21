import { defineKind, type TransportSetup } from '../../core/config/transport-kind.ts';
import { settledBy } from '../../core/deadline.ts';
import type { Deliver, Inspection, Session, Transport } from '../../core/transport/contract.ts';
import { establish, lookAt } from '../../core/transport/establish.ts';
import { type Connection, lossOf, maxReceiveMaximum, openConnection } from './connect.ts';
import { durabilityOf } from './durability.ts';
import { probe, warnOfForgottenSession, warnOfPassingName } from './losses.ts';
import { checkSubject, type MqttOptions, mqttSchema } from './options.ts';
import { MqttSender } from './sender.ts';
import { MqttSession } from './session.ts';

/** Milliseconds for the end of a connection that only looked. */
const closePatience = 1000;

class MqttTransport implements Transport {
  readonly name: string;
  private readonly options: MqttOptions;
  private readonly setup: TransportSetup;
  private readonly bound: number;
  private readonly clientId: string;
  /** Whether this transport has subscribed before. Then the broker has a session of ours. */
  private subscribedBefore = false;

  constructor(options: MqttOptions, setup: TransportSetup) {
    this.name = setup.name;
    this.options = options;
    this.setup = setup;
    this.bound = Math.min(setup.share.messages, maxReceiveMaximum);
    this.clientId = options.clientId || `conductor-${setup.replica}-${setup.name}`;
    warnOfPassingName(options.clientId || setup.replica, options, setup.logger);
  }

  connect(deliver: Deliver): Promise<Session> {
    return establish(
      () => this.open(false),
      (connection) => this.begin(connection, deliver),
      ({ tap }) => tap.destroy(),
      lossOf,
    );
  }

  /** With a client id of its own, since the broker would end the session of a running replica with the same one. It does not subscribe. */
  inspect(): Promise<Inspection> {
    const { options, bound, setup } = this;
    return lookAt(
      () => openConnection(options, { clientId: `${this.clientId}-doctor`, clean: true }),
      async ({ connack }) => {
        probe(connack, options, bound, setup.logger);
        return { missing: [], durability: durabilityOf(connack, options) };
      },
      ({ client, life }) => life.stop(AbortSignal.timeout(closePatience), () => client.endAsync()),
      lossOf,
    );
  }

  private async begin(connection: Connection, deliver: Deliver): Promise<Session> {
    const { options, bound } = this;
    const { logger } = this.setup;
    const session = new MqttSession(connection, {
      options,
      subscription: options.shared ? `$share/${options.group}/${options.topic}` : options.topic,
      bound,
      deliver,
      discard: (deadline) => this.discardSession(deadline),
    });
    probe(connection.connack, options, bound, logger);
    if (this.subscribedBefore) warnOfForgottenSession(connection.connack, this.clientId, logger);
    await session.start();
    this.subscribedBefore = true;
    return session;
  }

  /** Ends the session that the broker keeps. In 3.1.1 only a clean connection can do so. Never rejects. */
  private async discardSession(deadline: AbortSignal): Promise<void> {
    const discarding = this.open(true).then(({ client, life }) =>
      life.stop(deadline, () => client.endAsync()),
    );
    await settledBy(discarding, deadline);
  }

  private open(clean: boolean): Promise<Connection> {
    const { options, clientId, bound } = this;
    return openConnection(options, {
      clientId,
      clean,
      ...(options.version === '5' && {
        properties: { receiveMaximum: bound, sessionExpiryInterval: options.sessionExpiry },
      }),
    });
  }
}

/** Brokers that speak MQTT 5 or 3.1.1, at QoS 1. */
export const mqtt = defineKind(
  mqttSchema,
  (options, setup) => new MqttTransport(options, setup),
  (options, setup) => new MqttSender(options, setup),
  checkSubject,
);
