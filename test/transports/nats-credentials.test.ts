import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { ConfigError, NotConnected } from '../../src/core/errors.ts';
import { startNats } from '../support/nats.ts';
import { needs } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { configure, soon } from './nats-support.ts';

const userKeys = 'user, password and passwordFile, or url';

const natsTest = needs(test, 'nats');

/** Credentials, against servers of the test's own that ask for them. */
async function signIn(t: ExecutionContext, settings: string[], options: Record<string, unknown>) {
  const server = await startNats({ settings });
  t.teardown(server.stop);
  return async (more: Record<string, unknown> = {}, at = (url: string) => url) => {
    const transport = configure({ url: at(server.url), jetstream: false, ...options, ...more }).create({
      share: { messages: 1, bytes: 1000 },
      replica: 'test',
      logger: pino({ level: 'silent' }),
    });
    const session = await transport.connect(() => true);
    await session.stop(soon());
  };
}

/** @param keys the one line names. */
const refusal = (keys: string) => ({
  instanceOf: ConfigError,
  message: `the broker refuses the credentials: look at ${keys} (Authorization Violation)`,
});

function fileWith(text: string): string {
  const file = join(temporaryDirectory('secret'), 'secret');
  writeFileSync(file, text);
  return file;
}

natsTest(
  'user and password from options, URL or file are accepted, and wrong ones are a configuration error',
  async (t) => {
    const settings = ['authorization { user: conductor, password: "s3:cret" }'];
    const attempt = await signIn(t, settings, { user: 'conductor' });
    await t.notThrowsAsync(attempt({ password: 's3:cret' }));
    await t.notThrowsAsync(attempt({ passwordFile: fileWith('s3:cret\n') }));
    const error = await t.throwsAsync(attempt({ password: 'wrong-one' }), refusal(userKeys));
    t.false(error?.message.includes('wrong-one'));
    await t.throwsAsync(attempt(), refusal(userKeys));
    const inUrl = (url: string) => url.replace('//', '//conductor:s3%3Acret@');
    await t.notThrowsAsync(attempt({ user: '' }, inUrl));
  },
);

natsTest('a token from option or file is accepted, and a wrong one is a configuration error', async (t) => {
  const attempt = await signIn(t, ['authorization { token: "abcdef" }'], {});
  await t.notThrowsAsync(attempt({ token: 'abcdef' }));
  await t.notThrowsAsync(attempt({ tokenFile: fileWith('abcdef') }));
  await t.throwsAsync(attempt({ token: 'wrong' }), refusal('token'));
  await t.throwsAsync(attempt({ tokenFile: '/nowhere' }), {
    instanceOf: ConfigError,
    message: /^tokenFile: /,
  });
});

natsTest('an nkey from option or file is accepted, and a wrong one is a configuration error', async (t) => {
  const pair = nkeys.createUser();
  const seed = (key: typeof pair) => Buffer.from(key.getSeed()).toString();
  const settings = [`authorization { users [{ nkey: ${pair.getPublicKey()} }] }`];
  const attempt = await signIn(t, settings, {});
  await t.notThrowsAsync(attempt({ nkeySeed: seed(pair) }));
  await t.notThrowsAsync(attempt({ nkeySeedFile: fileWith(`${seed(pair)}\n`) }));
  await t.throwsAsync(attempt({ nkeySeed: seed(nkeys.createUser()) }), refusal('nkeySeed'));
  await t.throwsAsync(attempt({ nkeySeed: 'SUnonsense' }), {
    instanceOf: ConfigError,
    message: 'nkeySeed: is not the seed of an nkey',
  });
  await t.throwsAsync(attempt({ credentialsFile: fileWith('nonsense') }), {
    instanceOf: ConfigError,
    message: /^credentialsFile: expected a JWT and a seed/,
  });
});

natsTest(
  'a user without the right to consume gets an error that says so, and one of several servers is enough',
  async (t) => {
    const denied = [
      'authorization { users [{ user: a, password: b, permissions: { publish: "other.>" } }] }',
    ];
    const attempt = await signIn(t, denied, { user: 'a', password: 'b', jetstream: true });
    await t.throwsAsync(attempt(), {
      instanceOf: ConfigError,
      message: /does not allow it: .*[Pp]ermissions/,
    });
    const several = await signIn(t, [], {});
    await t.notThrowsAsync(several({}, (url) => `nats://127.0.0.1:1,${url}`));
    await t.throwsAsync(several({ url: 'nats://127.0.0.1:1' }), {
      instanceOf: NotConnected,
    });
  },
);

natsTest('each of several servers gets the credentials of its own address', async (t) => {
  const attempt = await signIn(t, ['authorization { user: second, password: "s3:cret" }'], {});
  const own = (url: string) => url.replace('//', '//second:s3%3Acret@');
  await t.notThrowsAsync(attempt({}, (url) => `nats://first:other@127.0.0.1:1,${own(url)}`));
  await t.notThrowsAsync(attempt({}, (url) => `${own('nats://127.0.0.1:1')},${url}`));
  await t.throwsAsync(
    attempt({}, (url) => `${own('nats://127.0.0.1:1')},${url.replace('//', '//first:other@')}`),
    { instanceOf: NotConnected, message: /127\.0\.0\.1:1: .*; .*the broker refuses the credentials/ },
  );
});
