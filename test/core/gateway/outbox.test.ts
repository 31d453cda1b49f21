import test from 'ava';
import { pino } from 'pino';
import { NotConnected, Undeliverable } from '../../../src/core/errors.ts';
import { OutboxPublisher } from '../../../src/core/gateway/outbox.ts';
import type { ClaimedNotification } from '../../../src/core/message/notification.ts';
import type { Publication } from '../../../src/core/transport/contract.ts';
import { waitFor } from '../../support/wait.ts';
import { textOf, tick } from './support.ts';

/** A row of the outbox in memory, which claims as the statements do. */
interface Row extends ClaimedNotification {
  isDue: boolean;
  error?: string;
}

/** An outbox of these rows, `instance text` each, and a broker that takes what `take` lets it take. */
function setUp(stored: string[], take: (text: string) => Promise<void> = async () => {}, patience = 60_000) {
  const rows: Row[] = [];
  const add = (text: string) => {
    const [instance = '', word = ''] = text.split(' ');
    const row = String(rows.length + taken.length + 1);
    const instanceId = instance === '-' ? null : instance;
    const body = Buffer.from(word);
    rows.push({ row, topic: 'events', messageId: `id ${row}`, instanceId, body, trace: null, isDue: true });
  };
  const taken: Publication[] = [];
  const lines: string[] = [];
  const broker = { isOpen: true, isDatabaseAway: false };
  const session = {
    publish: async (publication: Publication) => {
      await take(textOf(publication.body));
      taken.push(publication);
    },
  };
  for (const text of stored) add(text);
  const publisher = new OutboxPublisher({
    claim: async () => {
      if (broker.isDatabaseAway) throw new Error('the database is away');
      const waits = new Set<string | null>();
      const claimed = rows.filter((row) => {
        if (row.instanceId !== null && waits.has(row.instanceId)) return false;
        if (!row.isDue) waits.add(row.instanceId);
        return row.isDue;
      });
      for (const row of claimed) row.isDue = false;
      return claimed;
    },
    settle: async ({ published, failed, released }) => {
      for (const id of published)
        rows.splice(
          rows.findIndex(({ row }) => row === id),
          1,
        );
      for (const row of rows) {
        if (released.includes(row.row)) row.isDue = true;
        const failure = failed.find((one) => one.row === row.row);
        if (failure !== undefined) row.error = failure.error;
      }
    },
    session: () => (broker.isOpen ? session : undefined),
    patience,
    backoff: { base: 1, max: 1 },
    logger: pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line).msg) }),
  });
  const publishDue = () => publisher.publishDue(new AbortController().signal);
  const left = () => rows.map(({ body }) => textOf(body));
  const allDue = () => {
    for (const row of rows) row.isDue = true;
  };
  const texts = () => taken.map(({ body }) => textOf(body));
  return { publisher, publishDue, broker, rows, left, allDue, add, lines, texts, taken };
}

test('a notification is published with its id to its topic, and then deleted', async (t) => {
  const { publishDue, taken, left } = setUp(['i1 a']);
  t.is(await publishDue(), undefined);
  t.deepEqual(taken, [{ to: { kind: 'topic', name: 'events' }, body: Buffer.from('a'), messageId: 'id 1' }]);
  t.deepEqual(left(), []);
});

test('the notifications of an instance are published one after the other, those of others side by side', async (t) => {
  const waiting = new Map<string, () => void>();
  const { publisher, texts } = setUp(['i1 a', 'i1 b', 'i2 c', '- d', '- e'], (text) => {
    return new Promise((resolve) => waiting.set(text, resolve));
  });
  publisher.wake();
  await tick();
  t.deepEqual([...waiting.keys()], ['a', 'c', 'd', 'e']);
  waiting.get('a')?.();
  await tick();
  t.deepEqual(texts(), ['a']);
  t.true(waiting.has('b'));
  for (const confirm of waiting.values()) confirm();
  await tick();
  t.deepEqual(texts().toSorted(), ['a', 'b', 'c', 'd', 'e']);
});

test('a refused notification waits, those of its instance behind it too, and those of others go on', async (t) => {
  const { publishDue, texts, rows, lines } = setUp(['i1 a', 'i1 bad', 'i1 b', 'i2 c'], async (text) => {
    if (text === 'bad') throw new Undeliverable('nobody is there');
  });
  t.is(await publishDue(), 'events: nobody is there');
  t.deepEqual(texts(), ['a', 'c']);
  t.deepEqual(
    rows.map(({ body, error }) => [textOf(body), error]),
    [
      ['bad', 'events: nobody is there'],
      ['b', undefined],
    ],
  );
  t.deepEqual(lines, ['notifications wait']);
});

test('the log tells that notifications wait, and that they are published again', async (t) => {
  let isRefused = true;
  const { publishDue, allDue, lines } = setUp(['i1 a'], async () => {
    if (isRefused) throw new Undeliverable('nobody is there');
  });
  for (let round = 0; round < 5; round += 1) {
    await publishDue();
    allDue();
  }
  isRefused = false;
  t.is(await publishDue(), undefined);
  t.deepEqual(lines, ['notifications wait', 'notifications are published again']);
});

test('notifications stored while others are published are published too', async (t) => {
  const { publisher, publishDue, add, texts } = setUp(['i1 a'], async (text) => {
    if (text !== 'a') return;
    add('i1 b');
    publisher.wake();
  });
  await publishDue();
  t.deepEqual(texts(), ['a', 'b']);
});

test('nothing is claimed without a connection', async (t) => {
  const { publishDue, broker, rows, texts } = setUp(['i1 a']);
  broker.isOpen = false;
  t.is(await publishDue(), undefined);
  t.deepEqual(
    rows.map(({ isDue }) => isDue),
    [true],
  );
  broker.isOpen = true;
  await publishDue();
  t.deepEqual(texts(), ['a']);
});

test('if the connection breaks, all claims are given up and no attempt counts', async (t) => {
  let isBroken = true;
  const { publishDue, rows, texts } = setUp(['i1 a', 'i1 b', 'i2 c'], async () => {
    if (isBroken) throw new NotConnected('the connection is closed');
  });
  t.is(await publishDue(), 'the connection is closed');
  t.deepEqual(
    rows.map(({ isDue, error }) => [isDue, error]),
    [
      [true, undefined],
      [true, undefined],
      [true, undefined],
    ],
  );
  isBroken = false;
  await waitFor(async () => (await publishDue()) === undefined && texts().length === 3, {
    what: 'all to be published',
  });
  t.deepEqual(texts().toSorted(), ['a', 'b', 'c']);
});

test('a database that is away is told, and what was claimed is published later', async (t) => {
  const { publishDue, broker, texts, lines } = setUp(['i1 a']);
  broker.isDatabaseAway = true;
  t.is(await publishDue(), 'the database is away');
  broker.isDatabaseAway = false;
  t.is(await publishDue(), undefined);
  t.deepEqual(texts(), ['a']);
  t.deepEqual(lines, ['notifications wait', 'notifications are published again']);
});

test('a notification that the broker neither takes nor refuses is not sent to it again', async (t) => {
  let sent = 0;
  let confirm = () => {};
  const { publishDue, allDue } = setUp(
    ['i1 a'],
    () => {
      sent += 1;
      return new Promise((resolve) => {
        confirm = resolve;
      });
    },
    20,
  );
  t.is(await publishDue(), 'events: the broker has not accepted it in 20 ms');
  allDue();
  t.is(await publishDue(), 'events: the broker has not accepted an earlier try yet');
  t.is(sent, 1);
  confirm();
  await tick();
  allDue();
  const again = publishDue();
  await waitFor(() => sent === 2, { what: 'the second try' });
  confirm();
  t.is(await again, undefined);
});

test('a broker that takes nothing for long gets a bounded number of notifications', async (t) => {
  let sent = 0;
  const texts = Array.from({ length: 1000 }, (_, n) => `- ${n}`);
  const { publishDue, allDue } = setUp(
    texts,
    () => {
      sent += 1;
      return new Promise(() => {});
    },
    20,
  );
  const rounds = Array.from({ length: 3 }, async () => {
    await publishDue();
    allDue();
  });
  await Promise.all(rounds);
  const first = sent;
  await publishDue();
  t.is(sent, first);
  t.true(sent <= 128, `${sent} were sent`);
});

test('a stop publishes what is due, and gives up at its deadline what the broker does not take', async (t) => {
  const take = (text: string) => (text === 'stuck' ? new Promise<void>(() => {}) : Promise.resolve());
  const { publisher, rows, texts } = setUp(['i1 a', 'i1 stuck', 'i1 b', 'i2 c'], take);
  await publisher.stop(AbortSignal.timeout(50), AbortSignal.timeout(60_000));
  t.deepEqual(texts(), ['a', 'c']);
  t.deepEqual(
    rows.map(({ body, isDue, error }) => [textOf(body), isDue, error]),
    [
      ['stuck', true, undefined],
      ['b', true, undefined],
    ],
  );
  publisher.wake();
  await tick();
  t.deepEqual(texts(), ['a', 'c'], 'nothing is published after a stop');
});
