import ava from 'ava';
import { needs } from '../support/services.ts';
import { apply, heartbeat, insertInstances } from '../support/worker.ts';
import { openCaller } from './support.ts';

const test = needs(ava, 'postgres');

const reader = { sender: 'reader' };
const nobody = { sender: undefined, senderProof: undefined };

test('a service sees the columns that it is granted, and the key of the row', async (t) => {
  const { result } = await openCaller(t);
  const { id } = await result('model_create', {
    model: 'thing',
    values: { name: 'a', whole: 1, secret: 's' },
  });
  t.false('secret' in (await result('model_get', { model: 'thing', id })));
  t.deepEqual(await result('model_get', { model: 'thing', id }, reader), { id, name: 'a', whole: 1 });
  t.deepEqual(await result('model_list', { model: 'thing' }, reader), {
    rows: [{ id, name: 'a', whole: 1 }],
    marker: null,
  });
});

for (const [what, method, args, sender, refused] of [
  [
    'a method that is not granted',
    'model_delete',
    { model: 'thing', id: 'x' },
    reader,
    'undefined: reader is not granted model_delete (services)',
  ],
  [
    'a model that is not granted',
    'model_get',
    { model: 'backup', id: 'x' },
    reader,
    'model: args.model is backup: reader is not granted to read it (services)',
  ],
  [
    'a model of which no column may be read',
    'model_get',
    { model: 'instance', id: 'x' },
    reader,
    'model: args.model is instance: reader is not granted to read it (services)',
  ],
  [
    'a filter on a column that may not be read',
    'model_list',
    { model: 'thing', filters: { secret: { like: 'a%' } } },
    reader,
    'filters: args.filters["secret"].like names secret, which the sender may not read',
  ],
  [
    'an order by a column that may not be read',
    'model_list',
    { model: 'thing', order_by: ['secret'] },
    {},
    'order_by: args.order_by[0] names secret, which the sender may not read',
  ],
  [
    'a column that nobody may be granted',
    'model_list',
    { model: 'instance', filters: { encrypted_key: 'x' } },
    {},
    'filters: args.filters["encrypted_key"] names encrypted_key, which the sender may not read',
  ],
  [
    'a guest',
    'model_get',
    { model: 'thing', id: 'x' },
    { sender: 'i-1' },
    'undefined: i-1 is not granted model_get (services)',
  ],
  [
    'a sender who proves nothing',
    'model_get',
    { model: 'thing', id: 'x' },
    nobody,
    'undefined: anonymous is not granted model_get (services)',
  ],
] as const) {
  test(`${what} is forbidden, and becomes a dead letter`, async (t) => {
    const { refusal, database } = await openCaller(t);
    t.is(await refusal(method, args, sender), `Forbidden ${refused}`);
    t.deepEqual(await database.query('SELECT reason, method FROM dead_letters'), [
      { reason: 'forbidden', method: null },
    ]);
  });
}

test('a service that is granted guest methods may use them for any guest, and a guest for itself', async (t) => {
  const { context, database } = await openCaller(t);
  await insertInstances(database, 'i-1');
  const from = (sender: string) => ({
    ...heartbeat('i-1', Math.random(), 'running'),
    sender,
    senderProof: 'subject' as const,
  });
  t.deepEqual(
    await apply(context, [from('api'), from('reader'), from('i-1'), from('i-2')].slice(0, 1), 'proven'),
    ['applied'],
  );
  t.deepEqual(await apply(context, [from('reader'), from('i-2')], 'proven'), [
    'dead: forbidden',
    'dead: forbidden',
  ]);
});

test('any sender may ping, proven or not', async (t) => {
  const { result } = await openCaller(t);
  for (const sender of [{}, reader, nobody, { sender: 'i-1' }])
    t.like(await result('ping', {}, { messageId: undefined, ...sender }), { pong: true });
});
