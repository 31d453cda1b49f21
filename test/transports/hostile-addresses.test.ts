import ava from 'ava';
import { arrive, consume, finish, publish } from '../../src/conformance/harness.ts';
import { within } from '../../src/core/deadline.ts';
import { messageOf, NotConnected, Undeliverable } from '../../src/core/errors.ts';
import { subjects } from '../conformance/subjects/index.ts';
import { needs } from '../support/services.ts';

/** Milliseconds that a broker may take for one answer. */
const patience = 3000;

/** A caller chooses where the answer goes. Whatever it chooses must not end the session: the call would come again, for ever. */
const names: Readonly<Record<string, string>> = {
  nothing: '',
  'more than a short string': 'x'.repeat(300),
  'more than a line of the protocol': 'x'.repeat(5000),
  'more than two bytes can count': 'x'.repeat(70_000),
  'bytes that grow': 'é'.repeat(200),
  'a NUL': 'a\0b',
  'control characters': 'a\u0001b\u007f\u0085',
  'no characters at all': 'a\ufffe\ufdd0',
  'half a character': 'a\ud800b',
  'a line of its own': 'a\r\nPING\r\n',
  wildcards: 'a/+/#',
  'wildcards of NATS': 'a.*.>',
  'many levels': 'a/'.repeat(300),
  'empty tokens': 'a..b',
  'slashes only': '//',
  'a broken escape': '/queues/%zz',
  'an exchange that is not there': '/exchange/nowhere/key',
  'the default exchange': '/exchange//key',
  "a broker's own exchange": '/exchange/amq.rabbitmq.trace/key',
  'a topic': '/topic/some.topic',
  'an address of no kind': '/nonsense/a',
  'half an address': '/exchange/',
  'half of another': '/queue/',
  'and of a third': '/amq/queue/',
  'an escape in a queue': '/queue/a%2Fb%00',
  'direct reply-to, unresolved': 'amq.rabbitmq.reply-to',
  'direct reply-to of nobody': 'amq.rabbitmq.reply-to.nobody',
  'direct reply-to that is broken': 'amq.rabbitmq.reply-to.g1h2AA==.####',
  'direct reply-to of a pid that is none': 'amq.rabbitmq.reply-to.AAAA.BBBB',
  "the broker's own": '$SYS/broker/x',
  "NATS's own": '$JS.API.STREAM.LIST',
};

/** And what is given back with the answer. */
const correlationIds: Readonly<Record<string, string>> = {
  'an id that is no character': 'a\ufffe',
  'an id with half a character': 'a\ud800',
  'an id with control characters': 'a\u0001\r\n\0',
  'an id that is long': 'x'.repeat(10_000),
  'an id of bytes that grow': 'ÿ'.repeat(255),
  'an id of a type that it is not': 'ID:AMQP_ULONG:x',
};

interface Answer {
  readonly what: string;
  readonly name: string;
  readonly correlationId?: string;
}

const answers: ReadonlyArray<Answer> = [
  ...Object.entries(names).map(([what, name]) => ({ what, name })),
  ...Object.entries(correlationIds).map(([what, correlationId]) => ({ what, name: 'nobody', correlationId })),
];

for (const subject of subjects) {
  const test = needs(ava.serial, subject.needs);
  test(`${subject.name}: an answer to any reply address does not end the session`, async (t) => {
    const ends: (() => unknown)[] = [];
    t.teardown(async () => {
      for (const end of ends.toReversed()) await end();
    });
    const opened = await subject.open({ teardown: (end) => void ends.push(end) });
    const consumer = await consume(opened);
    let ended = false;
    void consumer.session.closed.then(() => {
      ended = true;
    });
    for (const { what, name, correlationId } of answers) {
      const to = { kind: 'reply', name } as const;
      try {
        await within(consumer.session.publish({ to, body: Buffer.from('{}'), correlationId }), patience);
      } catch (error) {
        t.true(
          error instanceof Undeliverable || error instanceof NotConnected,
          `${what}: ${messageOf(error)}`,
        );
      }
      if (!t.false(ended, `${what} ended the session`)) break;
    }
    // Whatever the broker has to say of the last one comes before this.
    await publish(opened, 1);
    await arrive(consumer.deliveries, 1);
    await finish(consumer);
    t.is(await consumer.session.closed, undefined);
  });
}
