import ava from 'ava';
import { cutWhileMade } from '../../src/conformance/cut-while-made.ts';
import { createSender } from '../../src/conformance/index.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { open as openAmqp091 } from '../conformance/subjects/amqp091.ts';
import { open as openNats } from '../conformance/subjects/nats.ts';
import { make, openNetwork } from '../conformance/subjects/subject.ts';
import { needs, service } from '../support/services.ts';

/** The steps that the conformance suite does not take: those of other options. */

const title = 'a connection that is cut between any two steps while it is made is not connected, or ends';

function senderOf(kind: string, options: Readonly<Record<string, unknown>>) {
  const found = transportKinds[kind];
  if (found === undefined) throw new Error(`${kind} is not a kind`);
  return createSender(found, { kind, ...options });
}

needs(ava, 'nats')(`nats without JetStream: ${title}`, async (t) => {
  const { settings } = await openNats(t, service('nats'));
  const { url, network } = await openNetwork(t, settings.url);
  const options = { ...settings, jetstream: false, url };
  await cutWhileMade(network, () => make('nats', options, 10).connect(() => true));
  await cutWhileMade(network, () => senderOf('nats', options).connect(() => {}));
  t.pass();
});

needs(ava, 'rabbitmq')(`amqp091 in oslo's form: ${title}`, async (t) => {
  const { options: plain } = await openAmqp091(t, service('rabbitmq'));
  const { url, network } = await openNetwork(t, plain.url);
  const options = { ...plain, codec: 'oslo', auth: { mode: 'none' }, url };
  await cutWhileMade(network, () => make('amqp091', options, 10).connect(() => true));
  await cutWhileMade(network, () => senderOf('amqp091', options).connect(() => {}));
  t.pass();
});
