import {
  hostsOf,
  senderPlace,
  type TransportDescription,
  textHeaders,
} from '../../core/transport/description.ts';
import type { NatsOptions } from './options.ts';
import { header } from './read-headers.ts';

export function describe(options: NatsOptions): TransportDescription {
  return {
    protocol: 'nats',
    hosts: hostsOf(options.url),
    address: options.subject.replace(/[*>]$/, senderPlace),
    bindings: {
      // A pull consumer of a stream has no queue group.
      ...(!options.jetstream && {
        receive: { nats: { queue: options.queueGroup, bindingVersion: '0.1.0' } },
      }),
    },
    headers: textHeaders({
      [header.messageId]: 'The message id of a cast. A stream drops a second message with the same id.',
      [header.callId]: 'Of a call: the message id.',
      [header.replyTo]: 'Of a call: the subject for the answer.',
      [header.correlationId]: 'Of a call: the answer has the same.',
      [header.deadline]: 'Of a call: the time until which its caller waits, in milliseconds since the epoch.',
    }),
    call: { replyTo: header.replyTo, correlationId: header.correlationId },
  };
}
