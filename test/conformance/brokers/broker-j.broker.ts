import { versionOf, whyMissing } from '../../support/brokers/catalog.ts';
import { startJavaBroker } from '../../support/brokers/java.ts';
import { amqp10QueuesSubject } from '../subjects/amqp10-queues.ts';
import { declareCases, once } from './declare.ts';

const broker = once(() => startJavaBroker('broker-j'));
declareCases(
  amqp10QueuesSubject(`broker-j ${versionOf('broker-j')}, amqp10`, broker, {
    refusesCertificatesSilently: true,
  }),
  whyMissing('broker-j'),
);
