import { versionOf, whyMissing } from '../../support/brokers/catalog.ts';
import { startJavaBroker } from '../../support/brokers/java.ts';
import { amqp10QueuesSender } from '../senders/index.ts';
import { amqp10QueuesSubject } from '../subjects/amqp10-queues.ts';
import { declareCases, declareSenderCases, once } from './declare.ts';

const broker = once(() => startJavaBroker('activemq'));
const name = `activemq ${versionOf('activemq')}, amqp10`;
const missing = whyMissing('activemq');
declareCases(amqp10QueuesSubject(name, broker), missing);
declareSenderCases(amqp10QueuesSender(name, broker), missing);
