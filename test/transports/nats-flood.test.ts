import { randomUUID } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import test, { type ExecutionContext } from 'ava';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { assertFloodIsHarmless, floodSize, type GoodMessage } from './flood.ts';
import { hostileBlocks, hostileCalls, largeBlock, streamTakes } from './nats-hostile.ts';
import { connectRaw, type RawClient } from './nats-raw.ts';

const good = floodSize;
/** Messages that are written before the other side has its turn; fewer than the conductor has room for. */
const window = 500;
/** One message in so many is a call, which is run by itself. */
const callEvery = 50;
/** One message in so many has a block as large as the server takes. */
const largeEvery = 333;

const flooded = needs(test.serial, 'nats', 'postgres');

/** The block of the nth hostile message. */
function blockOfNth(number: number): Buffer {
  if (number % largeEvery === 0) return largeBlock(number % 2 === 0 ? streamTakes : 900_000);
  const all = Object.values(number % callEvery === 1 ? hostileCalls : hostileBlocks);
  const make = all[(number % callEvery === 1 ? Math.floor(number / callEvery) : number) % all.length];
  if (make === undefined) throw new Error('there are none');
  return make(number);
}

/** Publishes a hostile message beside each good one. */
async function publishAll(
  client: RawClient,
  subject: (instance: string) => string,
  messages: ReadonlyArray<GoodMessage>,
  afterWindow: () => Promise<unknown>,
): Promise<void> {
  for (const [number, { instance, body }] of messages.entries()) {
    client.publish(subject(instance), body, blockOfNth(number));
    client.publish(subject(instance), body);
    if (number % window === window - 1) await afterWindow();
  }
  await afterWindow();
}

async function open(t: ExecutionContext, more: Record<string, unknown> = {}) {
  const id = randomUUID();
  const entry = { kind: 'nats', url: service('nats').url, stream: id, subject: `flood.${id}.*`, ...more };
  const client = await connectRaw();
  t.teardown(async () => client.end());
  return { id, entry, client, subject: (instance: string) => `flood.${id}.${instance}` };
}

flooded('NATS: no header block of a sender affects a good message', async (t) => {
  const { id, entry, client, subject } = await open(t);
  const broker = await connect({ servers: service('nats').url, reconnect: false });
  t.teardown(() => broker.close());
  const manager = await jetstreamManager(broker);
  t.teardown(() => manager.streams.delete(id));
  await assertFloodIsHarmless(t, {
    entry,
    good,
    async send(messages) {
      await publishAll(client, subject, messages.slice(1), () => client.flush());
      const [last] = messages;
      if (last === undefined) return 0;
      // The stream takes in order what one connection publishes, and answers this one behind all others.
      let answered = false;
      const inbox = `_INBOX.${randomUUID()}`;
      client.subscribe(inbox, () => {
        answered = true;
      });
      client.publish(subject(last.instance), last.body, undefined, inbox);
      await waitFor(() => answered, { what: "the stream's acknowledgement", timeout: 60_000 });
      return (await manager.streams.info(id)).state.last_seq - messages.length;
    },
  });
});

flooded('core NATS: no header block of a sender affects a good message', async (t) => {
  const { entry, client, subject } = await open(t, { jetstream: false });
  await assertFloodIsHarmless(t, {
    entry,
    good,
    async send(messages, settled) {
      let published = 0;
      client.subscribe(subject('*'), () => {
        published += 1;
      });
      // Core NATS drops what there is no room for: so the next ones wait until these have their outcomes.
      await publishAll(client, subject, messages, async () => {
        // The server sends this client's own copies before it answers.
        await client.flush();
        await waitFor(() => settled() >= published, {
          what: `${published} outcomes`,
          interval: 2,
          timeout: 30_000,
        });
      });
      return published - messages.length;
    },
  });
});
