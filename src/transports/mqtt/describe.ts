import {
  hostsOf,
  senderPlace,
  type TransportDescription,
  textHeaders,
} from '../../core/transport/description.ts';
import type { MqttOptions } from './options.ts';

const bindingVersion = '0.2.0';

export function describe(options: MqttOptions): TransportDescription {
  const isVersion5 = options.version === '5';
  return {
    protocol: /^(mqtts|wss):/.test(options.url) ? 'secure-mqtt' : 'mqtt',
    protocolVersion: options.version,
    hosts: hostsOf(options.url),
    address: options.topic.replace(/[+#]$/, senderPlace),
    bindings: {
      receive: { mqtt: { qos: 1, retain: false, bindingVersion } },
      ...(isVersion5 && { message: { mqtt: { payloadFormatIndicator: 1, bindingVersion } } }),
    },
    headers: isVersion5
      ? textHeaders({
          'message-id': 'A user property: the message id.',
          responseTopic: 'Of a call: the topic for the answer.',
          correlationData: 'Of a call: the answer has the same bytes.',
        })
      : {},
    ...(isVersion5 && { call: { replyTo: 'responseTopic', correlationId: 'correlationData' } }),
  };
}
