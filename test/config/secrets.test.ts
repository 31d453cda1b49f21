import test from 'ava';
import fc from 'fast-check';
import { printable, secretsOf } from '../../src/core/config/load.ts';
import { createMasker, maskSecret } from '../../src/core/config/secrets.ts';
import { rabbit, read } from './support.ts';

test('what is printed has the passwords of the database and of the transports masked', (t) => {
  const config = read(rabbit(), {
    CONDUCTOR_DATABASE__URL: 'postgresql://conductor:first-secret@db/trove',
    CONDUCTOR_TRANSPORTS__RABBIT__URL: 'amqp://guest:second-secret@mq',
  });
  const text = JSON.stringify(printable(config));
  t.false(text.includes('secret'));
  t.true(text.includes('postgresql://conductor:***@db/trove'));
  t.true(text.includes('amqp://guest:***@mq'));
  t.deepEqual(secretsOf(config), [
    'postgresql://conductor:first-secret@db/trove',
    'amqp://guest:second-secret@mq',
  ]);
});

test('what is printed says the rest as it is', (t) => {
  const config = read(rabbit('queue: q'));
  const { database, transports } = printable(config);
  t.deepEqual(database, config.database);
  t.deepEqual(transports, { rabbit: config.transports[0]?.options });
});

test('a password among the parameters of a URL is masked too', (t) => {
  const url = 'postgresql://db/trove?user=eve&password=hunter2&sslpassword=hunter3';
  t.is(maskSecret(url), 'postgresql://db/trove?user=eve&password=***&sslpassword=***');
  t.is(createMasker([url])(`cannot connect to ${url}`), `cannot connect to ${maskSecret(url)}`);
});

test('a password in a URL that names several servers is masked, and only that', (t) => {
  const url = 'postgresql://eve:p%40ssword%2F1@db1:1,db2:2/trove?sslmode=prefer&sslpassword=hunter22';
  t.is(maskSecret(url), 'postgresql://eve:***@db1:1,db2:2/trove?sslmode=prefer&sslpassword=***');
  const mask = createMasker([url]);
  t.is(mask(`cannot connect to ${url}`), `cannot connect to ${maskSecret(url)}`);
  t.is(mask('login with p@ssword/1 and hunter22 failed'), 'login with *** and *** failed');
  for (const open of ['postgresql://eve@db1:1,db2:2/trove', 'postgresql://db1,db2/trove?sslmode=prefer'])
    t.is(maskSecret(open), open);
});

test('a secret that is no URL is masked whole, an empty one is nothing', (t) => {
  t.is(maskSecret('hunter2'), '***');
  t.is(maskSecret(''), '');
  t.is(createMasker(['hunter2', ''])('the key hunter2 is wrong'), 'the key *** is wrong');
});

test('a URL without a password hides nothing', (t) => {
  t.is(maskSecret('amqp://mq:5672/vhost'), 'amqp://mq:5672/vhost');
  t.is(createMasker(['amqp://mq'])('cannot connect to amqp://mq'), 'cannot connect to amqp://mq');
});

test('a long password is masked wherever it stands, decoded or not', (t) => {
  const mask = createMasker(['amqp://guest:p%40ssword%2F1@mq']);
  t.is(mask('amqp://guest:p%40ssword%2F1@mq'), 'amqp://guest:***@mq');
  t.is(mask('amqp://guest:p@ssword/1@mq'), 'amqp://guest:***@mq');
  t.is(mask('login with p@ssword/1 failed'), 'login with *** failed');
});

test('a short password is masked in its URL only, so that ordinary words stay', (t) => {
  const mask = createMasker(['amqp://guest:guest@mq']);
  t.is(mask('amqp://guest:guest@mq: no guest'), 'amqp://guest:***@mq: no guest');
});

test('a password is masked inside a line of JSON', (t) => {
  const password = 'quote"and\\backslash';
  const mask = createMasker([`amqp://guest:${encodeURIComponent(password)}@mq`]);
  t.is(mask(JSON.stringify({ password })), '{"password":"***"}');
});

test('no password of eight characters or more is left in any text', (t) => {
  const property = fc.property(fc.string({ minLength: 8 }), fc.string(), fc.string(), (secret, a, b) => {
    // What a replacement leaves behind may look like a secret that is made of asterisks.
    fc.pre(!secret.includes('*') && secret.isWellFormed());
    const url = `amqp://guest:${encodeURIComponent(secret)}@mq`;
    const text = `${a}${secret}${b}${url}`;
    return !createMasker([url])(text).includes(secret);
  });
  t.notThrows(() => fc.assert(property));
});
