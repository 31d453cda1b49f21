import { versionOf, whyMissing } from '../../support/brokers/catalog.ts';
import { startJavaBroker } from '../../support/brokers/java.ts';
import { amqp10QueuesSender } from '../senders/index.ts';
import { amqp10QueuesSubject } from '../subjects/amqp10-queues.ts';
import { declareCases, declareSenderCases, once } from './declare.ts';

const broker = once(() => startJavaBroker('artemis'));
const name = `artemis ${versionOf('artemis')}, amqp10`;
const missing = whyMissing('artemis');
declareCases(
  amqp10QueuesSubject(name, broker, {
    noAnswerWithoutTls: true,
    redelivered: 'Artemis does not count a delivery that was released, and never says first-acquirer',
  }),
  missing,
);
declareSenderCases(amqp10QueuesSender(name, broker), missing);
