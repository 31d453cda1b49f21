import type { Logger } from '../../core/logger.ts';
import type { Broker } from './connect-broker.ts';
import type { Amqp10Options } from './options.ts';

/** Warns that the broker does not check `user-id`, if `auth.mode` relies on it. */
export function warnOfForgery({ product, rabbitmq }: Broker, options: Amqp10Options, logger: Logger): void {
  if (options.auth.mode !== 'user-id') return;
  const forgery = forgeryOver(product, rabbitmq);
  if (forgery !== undefined)
    logger.warn({ code: 'broker-settings', broker: product, ...(rabbitmq && { rabbitmq }) }, forgery);
}

function forgeryOver(product: string, rabbitmq: Broker['rabbitmq']): string | undefined {
  // The plugin trusts a header of AMQP 0-9-1 that holds properties in the encoding of AMQP 1.0, and checks only its own properties.
  if (rabbitmq !== undefined && (rabbitmq.major < 3 || (rabbitmq.major === 3 && rabbitmq.minor < 13)))
    return 'auth.mode user-id proves nothing over this RabbitMQ: who may publish over AMQP 0-9-1 can forge it';
  // Artemis and ActiveMQ Classic deliver a forged one unchanged.
  if (/activemq/i.test(product))
    return 'auth.mode user-id proves nothing over this broker, which does not check it: who may publish can forge it';
  if (/qpid/i.test(product))
    return 'auth.mode user-id proves something over Qpid Broker-J only if its context variable qpid.broker_msg_auth is true: else who may publish can forge it';
  return undefined;
}
