import { defineKind } from '../../core/config/transport-kind.ts';
import { establish, lookAt } from '../../core/transport/establish.ts';
import { letGo, openConnection } from './connect.ts';
import { classify } from './connect-refusal.ts';
import { inspect } from './inspect.ts';
import { amqp10Schema, withCodecDefaults } from './options.ts';
import { createSender } from './sender.ts';
import { beginSession } from './session.ts';

/** RabbitMQ, Artemis, Qpid, and other brokers that speak AMQP 1.0. */
export const amqp10 = defineKind(
  amqp10Schema,
  (given, setup) => {
    const options = withCodecDefaults(given);
    return {
      name: setup.name,
      connect: (deliver) =>
        establish(
          () => openConnection(options, `conductor ${setup.replica}`),
          (connection) => beginSession(connection, options, setup, deliver),
          letGo,
          classify,
        ),
      inspect: () =>
        lookAt(
          () => openConnection(options, `conductor ${setup.replica} doctor`),
          (connection) => inspect(connection, options, setup.logger),
          letGo,
          classify,
        ),
    };
  },
  (given, setup) => createSender(withCodecDefaults(given), setup),
);
