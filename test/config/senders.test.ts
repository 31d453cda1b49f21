import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { loadConfig, loadSendingConfig, printable, secretsOf } from '../../src/core/config/load.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** The options that say how senders are proven, as a replica reads them. */

const masterKey = Buffer.alloc(32, 9).toString('base64');

function fileWith(...lines: string[]): string {
  const file = join(temporaryDirectory('senders'), 'conductor.yaml');
  writeFileSync(file, ['database: { url: postgresql://db/trove }', ...lines].join('\n'));
  return file;
}

const load = (...lines: string[]) => loadConfig(fileWith(...lines), {}, transportKinds);
const urls = (url: string, auth = '') => `transports: { edge: { kind: mqtt, url: "${url}"${auth} } }`;

for (const url of [
  'mqtt://broker.example',
  'mqtt://127.0.0.1,mqtt://10.0.0.7:1883',
  'mqtt://[2001:db8::1]',
]) {
  test(`mode none is refused on ${url}`, async (t) => {
    await t.throwsAsync(load(urls(url)), {
      instanceOf: ConfigError,
      message:
        /^transports\.edge\.auth\.mode: is none, so anyone who can publish on \S+ can report .*auth\.iKnow: anyone-may-report beside it$/,
    });
    await t.notThrowsAsync(load(urls(url, ', auth: { iKnow: anyone-may-report }')));
    await t.notThrowsAsync(load(urls(url, ', auth: { mode: subject }')));
  });
}

for (const url of ['mqtt://localhost', 'mqtt://127.0.0.1:1883,mqtt://127.9.9.9', 'mqtt://[::1]:1883'])
  test(`mode none is accepted on ${url}`, (t) => t.notThrowsAsync(load(urls(url))));

test('a command that only sends needs no proof of others', async (t) => {
  await t.notThrowsAsync(loadSendingConfig(fileWith(urls('mqtt://broker.example')), {}, transportKinds));
});

const hmac = urls('mqtt://broker.example', ', auth: { mode: hmac }');

test('mode hmac needs a master key of 32 bytes', async (t) => {
  const refused = (message: RegExp, ...lines: string[]) =>
    t.throwsAsync(load(hmac, ...lines), { instanceOf: ConfigError, message });
  await refused(/^keys\.masterKey: is required with transports\.edge\.auth\.mode hmac/);
  await refused(/^keys\.masterKey: must be 32 bytes/, 'keys: { masterKey: short }');
  await refused(/^keys\.masterKeyFile: cannot read the file/, 'keys: { masterKeyFile: /nowhere }');
  await t.notThrowsAsync(load(hmac, `keys: { masterKey: "${masterKey}" }`));
});

test('the master key of a file is masked like any secret', async (t) => {
  const file = join(temporaryDirectory('senders'), 'master.key');
  writeFileSync(file, `${masterKey}\n`);
  const config = await load(hmac, `keys: { masterKeyFile: "${file}" }`);
  t.is(config.keys.masterKey, masterKey);
  t.true(secretsOf(config).some(({ text }) => text === masterKey));
  t.false(JSON.stringify(printable(config)).includes(masterKey));
});

test('mode hmac is refused with codec oslo', async (t) => {
  await t.throwsAsync(load(urls('mqtt://mq', ', codec: oslo, auth: { mode: hmac }')), {
    instanceOf: ConfigError,
    message: /^transports\.edge\.auth\.mode: hmac needs codec native/,
  });
});
