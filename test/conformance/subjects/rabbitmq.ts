import type { Callers, Opened } from '../../../src/conformance/index.ts';
import type { Rabbitmq } from '../../support/rabbitmq-api.ts';
import { largestMessage, secureRabbitmq, user } from '../../support/secure-brokers.ts';
import { service } from '../../support/services.ts';
import type { Brokers, ConformanceSubject, Subject, Test } from './subject.ts';

const impatient = 'RabbitMQ looks once a minute for what has been held for too long (consumer_timeout)';

type Make = (name: string, brokers: Brokers<Rabbitmq>) => ConformanceSubject;

/** The subject of a protocol on the RabbitMQ of this run. */
export function onRabbitmq(name: string, make: Make): Subject {
  return {
    ...make(name, { plain: () => service('rabbitmq'), secure: secureRabbitmq, lacks: { impatient } }),
    needs: 'rabbitmq',
    openWithLimit: (t) => openWithLimit(t, make),
  };
}

/** On a RabbitMQ that bounds the size of a message. */
async function openWithLimit(t: Test, make: Make): Promise<Opened & Callers & { readonly tooLarge: number }> {
  const opened = await make('limited', { plain: secureRabbitmq }).openWithCallers?.(t);
  if (opened === undefined) throw new Error('the subject offers no callers');
  return { ...opened, tooLarge: largestMessage + 1 };
}

/** The user of the secure cases may do everything in a virtual host. */
export async function permitSecureUser(broker: Rabbitmq, vhost: string): Promise<void> {
  const everything = { configure: '.*', write: '.*', read: '.*' };
  await broker.request('PUT', `/permissions/${vhost}/${user}`, everything);
}
