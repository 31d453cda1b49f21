import { hostsOf, type TransportDescription, textHeaders } from '../../core/transport/description.ts';
import { type Amqp10Options, withCodecDefaults } from './options.ts';

/** AsyncAPI has no bindings for AMQP 1.0. */
export function describe(given: Amqp10Options): TransportDescription {
  const options = withCodecDefaults(given);
  return {
    protocol: 'amqp1',
    protocolVersion: '1.0',
    hosts: hostsOf(options.url),
    address: options.target,
    headers: textHeaders({
      'message-id': 'The message id.',
      'reply-to': 'Of a call: the address for the answer.',
      'correlation-id': 'Of a call: the answer has the same, with its type.',
      'user-id': 'The user that the broker has checked. With `auth.mode: user-id` it is the sender.',
      compression: 'The compression of the body, an application property.',
    }),
    call: { replyTo: 'reply-to', correlationId: 'correlation-id' },
  };
}
