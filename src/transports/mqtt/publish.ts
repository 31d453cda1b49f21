import type { IClientPublishOptions, MqttClient } from 'mqtt';
import { messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import type { TraceContext } from '../../core/message/trace-context.ts';
import type { Publication } from '../../core/transport/contract.ts';
import { covers, isWritableName, mqttWildcards } from '../../core/transport/names.ts';
import { Unconfirmed } from '../../core/transport/unconfirmed.ts';
import { type Connection, maxReceiveMaximum } from './connect.ts';
import type { MqttOptions } from './options.ts';

/** The most levels of a topic. Mosquitto ends the connection over more than 200, others over more than 128. */
const maxLevels = 100;

/** The most bytes of a PUBLISH packet beside names, ids and body: headers, lengths, and the properties that we set. */
const packetOverhead = 64;

/** Publishes on one connection at QoS 1, within the limits that the broker has announced. */
export class Publisher {
  /** Bounds the messages under way. The broker may disconnect over one more than its Receive Maximum (MQTT 5, section 3.3.4). */
  readonly unconfirmed: Unconfirmed;
  private readonly client: MqttClient;
  /** The largest packet in bytes; undefined if the broker has announced none. */
  private readonly maximumPacketSize: number | undefined;

  constructor({ client, life, connack: { properties } }: Connection) {
    this.client = client;
    this.unconfirmed = new Unconfirmed(life, properties?.receiveMaximum ?? maxReceiveMaximum);
    this.maximumPacketSize = properties?.maximumPacketSize;
  }

  /** Publishes an answer or a notification. The PUBACK says that the broker has it, with or without a subscriber. */
  async publish(
    { to, body, messageId, correlationId, contentType, trace }: Publication,
    options: MqttOptions,
  ): Promise<void> {
    if (to.kind === 'reply' && !mayAnswerTo(to.name, options))
      throw new Undeliverable(`no answer may go to ${to.name.slice(0, 64)}`);
    const properties = {
      ...userProperties(messageId, trace),
      ...correlationDataOf(correlationId),
      ...(contentType !== undefined && { contentType }),
    };
    await this.send(to.name, body, [messageId, correlationId, contentType, ...textsOf(trace)], properties);
  }

  /**
   * Resolves with the packet id, once the broker has the message.
   *
   * @param texts the texts that go with the body. The broker ends the connection over a packet that exceeds its announced size (MQTT 5,
   *   section 3.2.2.3.6).
   * @throws Undeliverable, NotConnected
   */
  async send(
    topic: string,
    body: Uint8Array,
    texts: ReadonlyArray<string | undefined>,
    properties: IClientPublishOptions['properties'] = {},
  ): Promise<number> {
    const size = [topic, ...texts].reduce(
      (sum, text = '') => sum + Buffer.byteLength(text),
      body.length + packetOverhead,
    );
    const { client, maximumPacketSize } = this;
    if (maximumPacketSize !== undefined && size > maximumPacketSize) {
      throw new Undeliverable(
        `the body has ${body.length} bytes; the broker takes packets of ${maximumPacketSize}`,
      );
    }
    const payload = Buffer.from(body.buffer, body.byteOffset, body.length);
    try {
      const packet = await this.unconfirmed.send(() =>
        client.publishAsync(topic, payload, { qos: 1, properties }),
      );
      return packet?.messageId ?? 0;
    } catch (error) {
      throw failureOf(error);
    }
  }
}

/** MQTT has no property for a message's id, nor for the context of a span. */
export function userProperties(
  messageId: string | undefined,
  trace: TraceContext | undefined,
): { userProperties?: Record<string, string> } {
  const own: Record<string, string> = messageId === undefined ? {} : { 'message-id': messageId };
  if (trace !== undefined) own.traceparent = trace.traceparent;
  if (trace?.tracestate !== undefined) own.tracestate = trace.tracestate;
  return Object.keys(own).length === 0 ? {} : { userProperties: own };
}

/** The names and values of the context of a span, for the size of a packet. */
export function textsOf(trace: TraceContext | undefined): ReadonlyArray<string | undefined> {
  return Object.entries(trace ?? {}).flat();
}

/** Bytes of any value, kept one by one. */
export function correlationDataOf(correlationId: string | undefined): { correlationData?: Buffer } {
  return correlationId === undefined ? {} : { correlationData: Buffer.from(correlationId, 'latin1') };
}

/**
 * Whether an answer may go to a topic. The caller chooses the name, and we publish with our own permissions. So these are refused:
 * wildcards and other names over which the broker would end the connection (MQTT 5, section 4.7), the broker's own topics, and topics
 * that prove guests. The broker may end the connection over further names, which only the operator knows (`answerTopic`).
 *
 * @param topic the consumed topic.
 * @param answerTopic a filter that the topic of an answer has to match.
 */
function mayAnswerTo(name: string, { topic, answerTopic }: MqttOptions): boolean {
  const isName = isWritableName(name) && /^[^$+#][^+#]*$/.test(name) && name.split('/').length <= maxLevels;
  return isName && covers(answerTopic, name, mqttWildcards) && !covers(topic, name, mqttWildcards);
}

/** Only a PUBACK has a reason code. Any other error is the end of the connection. */
function failureOf(error: unknown): Error {
  if (error instanceof NotConnected) return error;
  return error instanceof Error && 'code' in error && typeof error.code === 'number'
    ? new Undeliverable(`the broker refuses the message: ${error.message}`, { cause: error })
    : new NotConnected(messageOf(error), { cause: error });
}
