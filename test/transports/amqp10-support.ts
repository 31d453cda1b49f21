import type { ExecutionContext } from 'ava';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { make } from '../conformance/subjects/subject.ts';
import { type FakeBroker, type FakeOptions, startFakeBroker } from './fake-broker.ts';

/** A session on a fake broker that speaks AMQP 1.0. */

export const soon = () => AbortSignal.timeout(5000);

interface Consuming {
  readonly broker: FakeBroker;
  readonly session: Awaited<ReturnType<ReturnType<typeof make>['connect']>>;
  readonly deliveries: Delivery[];
}

export async function consume(
  t: ExecutionContext,
  {
    bound = 100,
    accept = () => true,
    ...options
  }: FakeOptions & { bound?: number; accept?: () => boolean } = {},
): Promise<Consuming> {
  const broker = await startFakeBroker(t, options);
  const deliveries: Delivery[] = [];
  const session = await make('amqp10', { url: broker.url }, bound).connect((delivery) => {
    if (!accept()) return false;
    deliveries.push(delivery);
    return true;
  });
  t.teardown(() => session.stop(soon()));
  return { broker, session, deliveries };
}
