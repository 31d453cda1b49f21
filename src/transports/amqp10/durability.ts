import type { Shortfall } from '../../core/transport/durability.ts';
import type { Broker } from './connect-broker.ts';

/** The durability of a terminus that keeps its messages: unsettled-state (AMQP 1.0, section 3.5.5). */
const keepsMessages = 2;

/**
 * Reads from the broker's side of the link what a durable message survives that the broker has confirmed. We ask for no durability, so
 * a value is the broker's own word. RabbitMQ 3 gives none.
 *
 * @param durable of the source, as the broker has attached it.
 */
export function durabilityOf(
  address: string,
  durable: unknown,
  { product }: Pick<Broker, 'product'>,
): ReadonlyArray<Shortfall> {
  const broker = product === '' ? 'the broker' : product;
  if (durable !== keepsMessages)
    return [
      {
        survives: 'nothing',
        because: `${broker} does not tell over AMQP 1.0 whether ${address} is durable`,
        raise: 'look at the queue on the broker, and say so with durability',
        isUnknown: true,
      },
    ];
  return [
    {
      survives: 'process',
      because: `${broker} keeps the messages of ${address}, but does not tell whether it waits for the disk before it confirms`,
      raise: 'find out, and say so with durability',
      isUnknown: true,
    },
  ];
}
