import {
  hostsOf,
  senderPlace,
  type TransportDescription,
  textHeaders,
} from '../../core/transport/description.ts';
import { type Amqp091Options, withCodecDefaults } from './options.ts';

/** The names are those of the specification: AsyncAPI's binding version 0.3.0. */
const bindingVersion = '0.3.0';

export function describe(given: Amqp091Options): TransportDescription {
  const options = withCodecDefaults(given);
  const exchange = {
    name: options.exchange,
    type: 'topic',
    durable: options.exchangeDurability === 'durable',
  };
  const channel = { is: 'routingKey', exchange, bindingVersion };
  return {
    protocol: options.url.startsWith('amqps:') ? 'amqps' : 'amqp',
    protocolVersion: '0.9.1',
    hosts: hostsOf(options.url),
    address: options.routingKey.replace(/[*#]$/, senderPlace),
    bindings: {
      channel: { amqp: channel },
      receive: { amqp: { ack: true, bindingVersion } },
      message: { amqp: { contentEncoding: 'utf-8', bindingVersion } },
      topic: { amqp: channel },
    },
    headers: {
      ...textHeaders({
        message_id: 'The message id.',
        reply_to: 'Of a call: the queue for the answer.',
        correlation_id: 'Of a call: the answer has the same.',
        user_id: 'The user that the broker has checked. With `auth.mode: user-id` it is the sender.',
        expiration: 'Of a call: the milliseconds for which its caller waits.',
      }),
      compression: { type: 'string', description: 'The compression of the body, in the table of headers.' },
    },
    call: { replyTo: 'reply_to', correlationId: 'correlation_id' },
  };
}
