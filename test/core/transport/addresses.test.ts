import test from 'ava';
import { ConfigError, NotConnected } from '../../../src/core/errors.ts';
import { connectToFirst } from '../../../src/core/transport/addresses.ts';

const list = 'amqp://me:secret@one:1/v?heartbeat=5, amqp://two:2, amqp://three:3/other?heartbeat=7';

test('the first address that answers is used, with the user, path and query of the first one', async (t) => {
  const tried: string[] = [];
  const connection = await connectToFirst(list, async (address) => {
    tried.push(address);
    if (tried.length < 3) throw new NotConnected('nobody is there');
    return 'connected';
  });
  t.is(connection, 'connected');
  t.deepEqual(tried, [
    'amqp://me:secret@one:1/v?heartbeat=5',
    'amqp://me:secret@two:2/v?heartbeat=5',
    'amqp://me:secret@three:3/other?heartbeat=7',
  ]);
});

test('if no address answers, the error names each with its reason, without credentials', async (t) => {
  const attempt = async (address: string) => {
    throw new NotConnected(`refused by ${new URL(address).hostname}`);
  };
  await t.throwsAsync(connectToFirst(list, attempt), {
    name: 'NotConnected',
    message: 'one:1: refused by one; two:2: refused by two; three:3: refused by three',
  });
});

test('the error is a configuration error only if every address has one', async (t) => {
  let tries = 0;
  const attempt = async () => {
    tries += 1;
    if (tries % 4 === 0) throw new NotConnected('nobody is there');
    throw new ConfigError(`tls.ca: ${tries}`);
  };
  await t.throwsAsync(connectToFirst(list, attempt), { name: 'ConfigError', message: 'tls.ca: 1' });
  await t.throwsAsync(connectToFirst(list, attempt), { name: 'NotConnected' });
  t.is(tries, 6);
});

test('an address with a user or a password of its own takes neither from the first', async (t) => {
  const tried: string[] = [];
  const own =
    'amqp://me:secret@one:1, amqp://you:other@two:2, amqp://them@three:3, amqp://:word@four:4, amqp://five:5';
  const attempt = async (address: string) => {
    tried.push(address);
    throw new NotConnected('nobody is there');
  };
  await t.throwsAsync(connectToFirst(own, attempt));
  t.deepEqual(
    tried.map((address) => new URL(address)).map(({ username, password }) => [username, password]),
    [
      ['me', 'secret'],
      ['you', 'other'],
      ['them', ''],
      ['', 'word'],
      ['me', 'secret'],
    ],
  );
});
