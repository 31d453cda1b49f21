import { versionOf, whyMissing } from '../../support/brokers/catalog.ts';
import { startJavaBroker } from '../../support/brokers/java.ts';
import { amqp10QueuesSender } from '../senders/index.ts';
import { amqp10QueuesSubject } from '../subjects/amqp10-queues.ts';
import { declareCases, declareSenderCases, once } from './declare.ts';

const broker = once(() => startJavaBroker('broker-j'));
const name = `broker-j ${versionOf('broker-j')}, amqp10`;
const missing = whyMissing('broker-j');
const manners = { refusesCertificatesSilently: true };
declareCases(amqp10QueuesSubject(name, broker, manners), missing, [
  {
    why: 'Broker-J accepts some messages with large annotations and closes the connection of each consumer that it delivers them to',
    cases: ['no properties that a sender chooses end the session, and good messages around them arrive'],
  },
]);
declareSenderCases(amqp10QueuesSender(name, broker), missing);
