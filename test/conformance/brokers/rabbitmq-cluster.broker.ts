import { startRabbitmqCluster } from '../../support/brokers/rabbitmq-cluster.ts';
import { findRabbitmq } from '../../support/rabbitmq.ts';
import { amqp10Sender, amqp091Sender } from '../senders/index.ts';
import { amqp10Subject } from '../subjects/amqp10.ts';
import { amqp091Subject } from '../subjects/amqp091.ts';
import { declareCases, declareSenderCases, once } from './declare.ts';

/** Three nodes of the system's RabbitMQ with quorum queues. */

const missing =
  findRabbitmq() === undefined
    ? 'RabbitMQ is not installed: apt-get install --no-install-recommends rabbitmq-server'
    : undefined;
const cluster = once(startRabbitmqCluster);
const brokers = {
  plain: cluster,
  restartable: cluster,
  lacks: {
    tls: 'a node of a cluster listens for clients as one alone does',
    impatient: 'RabbitMQ looks once a minute for what has been held for too long (consumer_timeout)',
    limit: 'a node of a cluster has the limit (max_message_size) of one alone',
  },
};
const [older, newer] = ['three rabbitmq, amqp091', 'three rabbitmq, amqp10'];
declareCases(amqp091Subject(older, brokers), missing);
declareSenderCases(amqp091Sender(older, cluster), missing);
declareCases(amqp10Subject(newer, brokers), missing, [
  {
    why: 'a quorum queue of RabbitMQ 3.10 forgets what is accepted over AMQP 1.0 beyond the first 33 messages if the session ends right behind it',
    cases: ['a message that is done is never delivered again, even if the session stops right after it'],
  },
  {
    why: 'RabbitMQ 3.10 resets the connection, so that the error does not name the queue',
    cases: [
      'a session ends if an object that it depends on is deleted; the error names the object, and the next session works',
    ],
  },
]);
declareSenderCases(amqp10Sender(newer, cluster), missing);
