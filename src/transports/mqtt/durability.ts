import type { IConnackPacket } from 'mqtt';
import type { Shortfall } from '../../core/transport/durability.ts';
import type { MqttOptions } from './options.ts';

/**
 * Reads from a CONNACK what a message of QoS 1 survives that the broker has confirmed. The subscription has QoS 1, or the connection is
 * refused. MQTT does not tell whether the broker keeps its sessions on disk.
 */
export function durabilityOf(
  { properties = {} }: Pick<IConnackPacket, 'properties'>,
  { version, sessionExpiry }: Pick<MqttOptions, 'version' | 'sessionExpiry'>,
): ReadonlyArray<Shortfall> {
  const kept = properties.sessionExpiryInterval ?? sessionExpiry;
  if (version === '5' && kept === 0)
    return [
      {
        survives: 'nothing',
        because: 'the broker keeps no session: it grants a session expiry of 0 seconds',
        raise: 'let the broker grant sessionExpiry',
      },
    ];
  return [
    {
      survives: 'nothing',
      because:
        'MQTT does not tell whether the broker writes its sessions to disk before it confirms (Mosquitto writes them now and then)',
      raise: 'find out, and say so with durability',
      isUnknown: true,
    },
  ];
}
