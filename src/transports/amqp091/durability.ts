import type { ChannelModel } from 'amqplib';
import type { JsonObject } from '../../core/json.ts';
import type { Shortfall } from '../../core/transport/durability.ts';

/** The known properties of the queue. */
export interface QueueTraits {
  readonly durable: boolean;
  readonly arguments: JsonObject;
}

/** The broker, as it names itself in the handshake. */
export interface BrokerTraits {
  readonly product: string;
  readonly major: number;
  readonly minor: number;
}

/** Reads the server properties of the handshake. */
export function brokerOf({ connection }: ChannelModel): BrokerTraits {
  const { product, version } = connection.serverProperties;
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(String(version)) ?? [];
  return { product: String(product), major: Number(major), minor: Number(minor) };
}

const quorum = 'delete it, and set queueArguments: { x-queue-type: quorum }';
const onOneNode = (queue: string): Shortfall => ({
  survives: 'power',
  because: `the broker does not tell how many nodes have the queue ${queue}`,
  raise: 'see that three have it (rabbitmq-queues quorum_status), and say so with durability: failover',
  isUnknown: true,
});

/**
 * Reads from the queue and the broker what a persistent message survives that the broker has confirmed. Policies are not visible.
 *
 * @param traits undefined: they could not be learned.
 */
export function durabilityOf(
  queue: string,
  traits: QueueTraits | undefined,
  broker: BrokerTraits,
): ReadonlyArray<Shortfall> {
  if (traits === undefined)
    return [
      {
        survives: 'nothing',
        because: `the broker does not tell how the queue ${queue} was made`,
        raise: 'grant the permission to configure it, or look, and say so with durability',
        isUnknown: true,
      },
    ];
  if (!traits.durable)
    return [
      {
        survives: 'nothing',
        because: `the queue ${queue} is not durable`,
        raise: 'delete it, and set queueDurability: durable',
      },
    ];
  if (broker.product !== 'RabbitMQ')
    return [
      {
        survives: 'process',
        because: `${broker.product} does not tell whether it waits for the disk before it confirms`,
        raise: 'find out, and say so with durability',
        isUnknown: true,
      },
    ];
  return traits.arguments['x-queue-type'] === 'quorum'
    ? [onOneNode(queue)]
    : classic(queue, traits.arguments, broker);
}

/**
 * Version 1 of a classic queue waits for fsync before it confirms, until RabbitMQ 3.12. Version 2, which came with 3.10, and RabbitMQ 3.13
 * do not. A policy sets the version too, and the virtual host the type of a queue that was made without one.
 */
function classic(queue: string, args: JsonObject, { major, minor }: BrokerTraits): Shortfall[] {
  const version = args['x-queue-version'];
  const since = (wanted: number) => major > 3 || (major === 3 && minor >= wanted);
  const oneNode: Shortfall = {
    survives: 'power',
    because: `the queue ${queue} is classic, and lives on one node unless a policy mirrors it`,
    raise: quorum,
    isUnknown: !since(13),
  };
  if (!since(10) || (version === 1 && !since(13))) return [oneNode];
  // Queues of other types have no version.
  const isTold = version === 2 || (since(13) && args['x-queue-type'] === 'classic');
  return [
    {
      survives: 'process',
      because: isTold
        ? `the queue ${queue} is classic, and does not wait for the disk before it confirms`
        : `the broker does not tell whether the queue ${queue} waits for the disk before it confirms`,
      raise: quorum,
      isUnknown: !isTold,
    },
    oneNode,
  ];
}
