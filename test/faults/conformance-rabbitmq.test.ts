import ava from 'ava';
import { declareConformance } from '../conformance/declare.ts';
import { amqp10 } from '../conformance/subjects/amqp10.ts';
import { amqp091 } from '../conformance/subjects/amqp091.ts';
import { make } from '../conformance/subjects/subject.ts';
import { secureRabbitmq, tlsOf, user } from '../support/secure-brokers.ts';
import { needs } from '../support/services.ts';

declareConformance([amqp091, amqp10], 'faults');

/** Here, for the same RabbitMQ. */
needs(ava.serial, 'rabbitmq')('amqp091: a client certificate alone may say who we are', async (t) => {
  const { request, certificates, tlsPort } = await secureRabbitmq();
  const everything = { configure: '.*', write: '.*', read: '.*' };
  // The user is the common name of the certificate.
  await request('PUT', `/permissions/%2F/${user}`, everything);
  const tls = tlsOf(certificates.ca, certificates.client);
  const session = await make('amqp091', { url: `amqps://127.0.0.1:${tlsPort}`, tls }, 1).connect(() => true);
  await session.stop(AbortSignal.timeout(5000));
  t.is(await session.closed, undefined);
});
