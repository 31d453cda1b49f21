import type { IConnackPacket, MqttClient } from 'mqtt';
import { NotConnected, Undeliverable } from '../../core/errors.ts';
import { Semaphore } from '../../core/semaphore.ts';
import type { Publication } from '../../core/transport/contract.ts';
import { UntilEnd } from '../../core/transport/until-end.ts';
import { maxReceiveMaximum, publishFailure } from './connection.ts';
import type { MqttOptions } from './options.ts';
import { assertFits, mayAnswerTo } from './topic.ts';

/** The answers and notifications of one connection, at QoS 1. */
export class Publisher {
  private readonly client: MqttClient;
  private readonly options: MqttOptions;
  private readonly publishing = new UntilEnd();
  /** The broker says how many may be under way; one more, and it may disconnect (MQTT 5, section 3.3.4). */
  private slots = new Semaphore(maxReceiveMaximum);
  /** Of the broker, in bytes. */
  private maximumPacketSize: number | undefined;

  constructor(client: MqttClient, options: MqttOptions) {
    this.client = client;
    this.options = options;
  }

  /** Keeps to what the broker has said of itself. */
  accepted({ properties }: IConnackPacket): void {
    this.slots = new Semaphore(properties?.receiveMaximum ?? maxReceiveMaximum);
    this.maximumPacketSize = properties?.maximumPacketSize;
  }

  /** The PUBACK says that the broker has it, whether or not anybody is subscribed. */
  async publish({ to, body, correlationId }: Publication): Promise<void> {
    const payload = Buffer.from(body.buffer, body.byteOffset, body.length);
    const properties =
      correlationId === undefined ? {} : { correlationData: Buffer.from(correlationId, 'latin1') };
    if (to.kind === 'reply' && !mayAnswerTo(to.name, this.options))
      throw new Undeliverable(`no answer may go to ${to.name.slice(0, 64)}`);
    assertFits(body, [to.name, correlationId], this.maximumPacketSize);
    const { slots } = this;
    await this.publishing.wait(slots.take());
    try {
      await this.publishing.wait(this.client.publishAsync(to.name, payload, { qos: 1, properties }));
    } catch (error) {
      throw publishFailure(error);
    } finally {
      slots.give();
    }
  }

  end(): void {
    this.publishing.end(new NotConnected('the connection was closed before the broker had the message'));
  }
}
