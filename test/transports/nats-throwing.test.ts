import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import ava from 'ava';
import { NotConnected } from '../../src/core/errors.ts';
import type { Session } from '../../src/core/transport/contract.ts';
import type { SenderSession } from '../../src/core/transport/sender.ts';
import { needs } from '../support/services.ts';
import { blockOf, connectRaw } from './nats-raw.ts';
import { open, soon } from './nats-support.ts';

/** Serial: they look at what is printed. */
const test = needs(ava.serial, 'nats');

const boom = () => {
  throw new TypeError('a mistake of ours');
};

/** Milliseconds: less than the pings would take to find out. */
const atOnce = 3000;

/** What the library prints by itself. Only our own lines may stand on stdout. */
function printed(t: { teardown(end: () => void): void }): unknown[] {
  const lines: unknown[] = [];
  const original = console.log;
  console.log = (...what: unknown[]) => void lines.push(what);
  t.teardown(() => {
    console.log = original;
  });
  return lines;
}

const endOf = ({ closed }: Session | SenderSession) =>
  Promise.race([closed, sleep(atOnce, 'it goes on', { ref: false })]);

for (const jetstream of [true, false]) {
  const kind = jetstream ? 'JetStream' : 'core NATS';

  test(`${kind}: an exception while a message is taken ends the session at once, and prints nothing`, async (t) => {
    const lines = printed(t);
    const { id, broker, transport } = await open(t, { jetstream });
    const session = await transport().connect(boom);
    t.teardown(() => session.stop(soon()));
    broker.publish(`test.${id}.guest`, 'x');
    const error = await endOf(session);
    t.true(error instanceof NotConnected);
    t.regex(String(error), /a mistake of ours/);
    t.deepEqual(lines, []);
  });

  test(`${kind}: an exception while an answer is taken ends the sender's session at once`, async (t) => {
    const lines = printed(t);
    const { broker, sender } = await open(t, { jetstream });
    const session = await sender().connect(boom);
    t.teardown(() => session.stop(soon()));
    broker.publish(session.replyTo ?? '', 'x');
    const error = await endOf(session);
    t.true(error instanceof NotConnected);
    t.regex(String(error), /a mistake of ours/);
    t.deepEqual(lines, []);
  });
}

test('an answer with an unreadable header block is delivered as an answer', async (t) => {
  const lines = printed(t);
  const { sender } = await open(t);
  const answers: unknown[] = [];
  const session = await sender().connect((answer) => answers.push(answer));
  t.teardown(() => session.stop(soon()));
  const client = await connectRaw();
  t.teardown(async () => client.end());
  const block = blockOf('Gerät x: 1', 'Conductor-Correlation-Id: c-1', 'X: a\rb');
  client.publish(session.replyTo ?? '', Buffer.from('answer'), block);
  client.publish(session.replyTo ?? '', Buffer.from('plain'));
  await client.flush();
  const ended = await Promise.race([
    session.closed,
    (async () => {
      while (answers.length < 2) await sleep(10);
    })(),
  ]);
  t.is(ended, undefined);
  t.like(answers, [{ correlationId: 'c-1' }, { correlationId: undefined }]);
  t.deepEqual(lines, []);
});

test('bytes that the library cannot read end the session at once, and print nothing', async (t) => {
  const lines = printed(t);
  const { id, broker, sender } = await open(t);
  // Answers in place of a stream.
  const client = await connectRaw();
  t.teardown(async () => client.end());
  broker.subscribe(`test.${id}.*`, {
    callback: (_, { reply = '' }) => client.publish(reply, Buffer.alloc(0), blockOf('trace id: 1')),
  });
  const session = await sender().connect(() => {});
  t.teardown(() => session.stop(soon()));
  const sending = session.send({ sender: 'guest', messageId: randomUUID(), body: Buffer.from('x') });
  sending.catch(() => {});
  const error = await endOf(session);
  t.true(error instanceof NotConnected);
  t.regex(String(error), /trace id|header/);
  await t.throwsAsync(sending, { instanceOf: NotConnected });
  t.deepEqual(lines, []);
});
