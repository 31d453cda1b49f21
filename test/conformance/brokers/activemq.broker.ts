import { versionOf, whyMissing } from '../../support/brokers/catalog.ts';
import { startJavaBroker } from '../../support/brokers/java.ts';
import { amqp10QueuesSubject } from '../subjects/amqp10-queues.ts';
import { declareCases, once } from './declare.ts';

const broker = once(() => startJavaBroker('activemq'));
declareCases(
  amqp10QueuesSubject(`activemq ${versionOf('activemq')}, amqp10`, broker),
  whyMissing('activemq'),
);
