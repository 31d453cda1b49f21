import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { loadConfig } from '../../src/core/config/load.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { assertNothingLeft, startDemo } from './demo-support.ts';

test('the demo writes heartbeats to Postgres, ends by itself, leaves no process running and keeps an ordinary configuration file', async (t) => {
  const folder = temporaryDirectory('demo');
  const demo = startDemo(t, folder, '--for', '6');
  t.deepEqual(await demo.exited, { code: 0, signal: null }, demo.output());
  t.is(demo.stderr(), '');
  const [, written, guests] =
    /^Ended after 6 s: (\d+) heartbeats written to Postgres.* where (\d+) guests now have a status/m.exec(
      demo.stdout(),
    ) ?? [];
  // 24 guests, about once a second each; some may have fallen silent.
  t.true(Number(written) > 72, demo.output());
  t.is(guests, '24');
  t.regex(demo.stdout(), /guests in Postgres: .*\d running/);
  assertNothingLeft(t, folder);

  const config = await loadConfig(join(folder, '.conductor', 'demo.yaml'), {}, transportKinds);
  t.true(demo.stdout().includes(config.database.url));
  t.true(config.guests.autoRegister);
  const first = demo.stdout().split('\n').slice(0, 2).join('\n');
  t.true(first.includes(`Status page: http://127.0.0.1:${config.admin.port}/`), first);
  t.true(existsSync(join(folder, config.admin.tokenFile)));
  t.deepEqual(
    config.transports.map(({ options }) => options.auth.mode),
    ['subject'],
  );
});
