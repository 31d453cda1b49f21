import { inspect } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import { printable, secretsOf } from '../../src/core/config/load.ts';
import { createMasker, Masking, maskSecret } from '../../src/core/config/secrets.ts';
import { rabbit, read } from './support.ts';

const url = (text: string) => ({ text, isUrl: true });
const plain = (text: string) => ({ text, isUrl: false });

test('the printed configuration has the passwords of the database and of the transports masked', (t) => {
  const config = read(rabbit(), {
    CONDUCTOR_DATABASE__URL: 'postgresql://conductor:first-secret@db/trove',
    CONDUCTOR_TRANSPORTS__RABBIT__URL: 'amqp://guest:second-secret@mq',
  });
  const text = JSON.stringify(printable(config));
  t.false(text.includes('secret'));
  t.true(text.includes('postgresql://conductor:***@db/trove'));
  t.true(text.includes('amqp://guest:***@mq'));
  t.deepEqual(secretsOf(config), [
    url('postgresql://conductor:first-secret@db/trove'),
    url('amqp://guest:second-secret@mq'),
  ]);
});

test('the printed configuration has all other values unchanged', (t) => {
  const config = read(rabbit('queue: q'));
  const { database, transports } = printable(config);
  t.deepEqual(database, config.database);
  t.deepEqual(transports, { rabbit: config.transports[0]?.options });
});

test("a password in a URL's parameters is masked too", (t) => {
  const secret = url('postgresql://db/trove?user=eve&password=hunter2&sslpassword=hunter3');
  t.is(maskSecret(secret), 'postgresql://db/trove?user=eve&password=***&sslpassword=***');
  t.is(createMasker([secret])(`cannot connect to ${secret.text}`), `cannot connect to ${maskSecret(secret)}`);
});

test('in a URL with several servers only the password is masked', (t) => {
  const several = url(
    'postgresql://eve:p%40ssword%2F1@db1:1,db2:2/trove?sslmode=prefer&sslpassword=hunter22',
  );
  t.is(maskSecret(several), 'postgresql://eve:***@db1:1,db2:2/trove?sslmode=prefer&sslpassword=***');
  const mask = createMasker([several]);
  t.is(mask(`cannot connect to ${several.text}`), `cannot connect to ${maskSecret(several)}`);
  t.is(mask('login with p@ssword/1 and hunter22 failed'), 'login with *** and *** failed');
  for (const open of ['postgresql://eve@db1:1,db2:2/trove', 'postgresql://db1,db2/trove?sslmode=prefer'])
    t.is(maskSecret(url(open)), open);
});

test('a secret that is not a URL is masked as a whole, and an empty one is ignored', (t) => {
  t.is(maskSecret(plain('hunter2')), '***');
  t.is(maskSecret(plain('')), '');
  t.is(createMasker([plain('hunter2'), plain('')])('the key hunter2 is wrong'), 'the key *** is wrong');
});

test('a password that looks like a URL is masked as a whole', (t) => {
  const config = read(rabbit('password: "Pa55:word"', 'auth: { instRpcKeyEncrKey: "hunter://2secret" }'));
  const [{ printable: printed } = {}] = config.transports;
  t.is(printed?.password, '***');
  t.like(printed?.auth, { instRpcKeyEncrKey: '***' });
  const mask = createMasker(secretsOf(config));
  t.is(mask('Pa55:word and hunter://2secret and hunter%3A%2F%2F2secret'), '*** and *** and ***');
});

test('the password of each server of a cluster is masked, and a token in place of the user', (t) => {
  t.is(maskSecret(url('nats://u:one@a,nats://u:two@b:4222')), 'nats://u:***@a,nats://u:***@b:4222');
  t.is(maskSecret(url('nats://tokentoken@a')), 'nats://***@a');
  t.is(createMasker([url('nats://tokentoken@a')])('token tokentoken refused'), 'token *** refused');
});

test('a password is masked in its written form too, if the URL is not in standard form', (t) => {
  const written = 'amqp://guest:p@s%2fs"word@mq';
  t.is(createMasker([url(written)])(`cannot connect to ${written}`), 'cannot connect to amqp://guest:***@mq');
});

test('a secret that is part of another secret leaves no part of it', (t) => {
  t.is(createMasker([plain('hunter2'), plain('hunter2-and-more')])('hunter2-and-more'), '***');
});

test('a URL without a password masks nothing', (t) => {
  t.is(maskSecret(url('amqp://mq:5672/vhost')), 'amqp://mq:5672/vhost');
  t.is(createMasker([url('amqp://mq')])('cannot connect to amqp://mq'), 'cannot connect to amqp://mq');
});

test('a long password is masked everywhere, decoded or not', (t) => {
  const mask = createMasker([url('amqp://guest:p%40ssword%2F1@mq')]);
  t.is(mask('amqp://guest:p%40ssword%2F1@mq'), 'amqp://guest:***@mq');
  t.is(mask('amqp://guest:p@ssword/1@mq'), 'amqp://guest:***@mq');
  t.is(mask('login with p@ssword/1 failed'), 'login with *** failed');
});

test('a short password is masked in its URL only, so that ordinary words stay readable', (t) => {
  const mask = createMasker([url('amqp://guest:guest@mq')]);
  t.is(mask('amqp://guest:guest@mq: no guest'), 'amqp://guest:***@mq: no guest');
});

test('a password is masked inside a line of JSON', (t) => {
  const password = 'quote"and\\backslash';
  const mask = createMasker([url(`amqp://guest:${encodeURIComponent(password)}@mq`)]);
  t.is(mask(JSON.stringify({ password })), '{"password":"***"}');
});

test('no password of eight characters or more remains in any text', (t) => {
  const property = fc.property(fc.string({ minLength: 8 }), fc.string(), fc.string(), (secret, a, b) => {
    // What a replacement leaves behind may look like a secret that is made of asterisks.
    fc.pre(!secret.includes('*') && secret.isWellFormed());
    const broker = `amqp://guest:${encodeURIComponent(secret)}@mq`;
    const text = `${a}${secret}${b}${broker}`;
    return !createMasker([url(broker)])(text).includes(secret);
  });
  t.notThrows(() => fc.assert(property));
});

test('secrets of an earlier reading of the configuration are masked too, and none is forgotten for being read again', (t) => {
  const masking = new Masking([plain('first-secret')]);
  masking.add([plain('second-secret')]);
  for (let reading = 0; reading < 2000; reading += 1) masking.add([plain('second-secret')]);
  t.is(masking.mask('first-secret, second-secret'), '***, ***');
  t.is(new Masking().mask('first-secret'), 'first-secret');
});

test('a secret is masked in the escapes of JSON and of Node, and in JSON within JSON', (t) => {
  const secret = `a"b'c\\d\n`;
  const mask = createMasker([plain(secret)]);
  const quoted = [JSON.stringify(secret), inspect(secret), JSON.stringify(JSON.stringify({ secret }))];
  for (const text of quoted) t.notRegex(mask(text), /[abcd]["'\\]/, text);
});
