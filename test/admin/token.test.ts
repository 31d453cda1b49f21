import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { isLoopback } from '../../src/admin/guard.ts';
import { AdminToken, sessionLength } from '../../src/admin/token.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { token, tokenFile } from './access-support.ts';

test('a token that is missing or short is an error of the configuration', async (t) => {
  for (const file of [join(temporaryDirectory('token'), 'missing'), tokenFile('short'), tokenFile('')]) {
    const error = await t.throwsAsync(AdminToken.open(file));
    t.like(error, { name: 'ConfigError', code: 'admin-token' });
    t.regex(error?.message ?? '', /^admin\.tokenFile: /);
  }
});

test('a session ends after its time, and only the token makes one', async (t) => {
  const one = await AdminToken.open(tokenFile());
  const other = await AdminToken.open(tokenFile('another token, long enough'));
  const session = (await one.session(0)) ?? '';
  t.true(await one.isSession(session, sessionLength * 1000 - 1));
  t.false(await one.isSession(session, sessionLength * 1000));
  t.false(await other.isSession(session, 1));
  const [end, proof] = session.split('.');
  t.false(await one.isSession(`${Number(end) + 1}.${proof}`, 1));
  await fc.assert(
    fc.asyncProperty(fc.string(), async (text) => {
      t.false(await one.isSession(text, 0));
      t.is(await one.matches(text), text === token);
    }),
  );
});

test('only addresses of this machine itself are loopback', (t) => {
  for (const host of ['127.0.0.1', '127.8.9.1', 'localhost', 'LOCALHOST', '::1', '[::1]'])
    t.true(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example', 'localhost.example', '127.1', ''])
    t.false(isLoopback(host), host);
});
