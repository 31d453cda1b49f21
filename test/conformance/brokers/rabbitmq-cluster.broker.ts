import { startRabbitmqCluster } from '../../support/brokers/rabbitmq-cluster.ts';
import { findRabbitmq } from '../../support/rabbitmq.ts';
import { amqp10Subject } from '../subjects/amqp10.ts';
import { amqp091Subject } from '../subjects/amqp091.ts';
import { declareCases, once } from './declare.ts';

/** Three nodes of the system's RabbitMQ with quorum queues. */

const missing =
  findRabbitmq() === undefined
    ? 'RabbitMQ is not installed: apt-get install --no-install-recommends rabbitmq-server'
    : undefined;
const cluster = once(startRabbitmqCluster);
const brokers = {
  plain: cluster,
  restartable: cluster,
  lacks: { tls: 'a node of a cluster listens for clients as one alone does' },
};
declareCases(amqp091Subject('three rabbitmq, amqp091', brokers), missing);
declareCases(amqp10Subject('three rabbitmq, amqp10', brokers), missing, {
  why: 'a quorum queue of RabbitMQ 3.10 forgets what is accepted over AMQP 1.0 beyond the first 33 messages if the session ends right behind it',
  cases: ['a message that is done is never delivered again, even if the session stops right after it'],
});
