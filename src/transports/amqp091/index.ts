import { defineKind } from '../../core/config/transport-kind.ts';
import { establish, lookAt } from '../../core/transport/establish.ts';
import { close, openConnection } from './connect.ts';
import { classify } from './connect-refusal.ts';
import { inspect } from './inspect.ts';
import { amqp091Schema, checkSubject, withCodecDefaults } from './options.ts';
import { createSender } from './sender.ts';
import { beginSession } from './session.ts';

/** RabbitMQ, and other brokers that speak AMQP 0-9-1. */
export const amqp091 = defineKind(
  amqp091Schema,
  (given, setup) => {
    const options = withCodecDefaults(given);
    const open = (suffix = '') => openConnection(options, `conductor ${setup.replica}${suffix}`);
    return {
      name: setup.name,
      connect: (deliver) =>
        establish(
          open,
          (connection) => beginSession(connection, () => open(', answers'), options, setup, deliver),
          close,
          classify,
        ),
      inspect: () =>
        lookAt(
          () => open(' doctor'),
          (connection) => inspect(connection, options, setup.logger),
          close,
          classify,
        ),
    };
  },
  (given, setup) => createSender(withCodecDefaults(given), setup),
  checkSubject,
);
