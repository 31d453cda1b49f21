import { writeFileSync } from 'node:fs';
import ava, { type ExecutionContext } from 'ava';
import { stringify } from 'yaml';
import { type Ended, run, runHere } from '../command-line/support.ts';
import { createDatabase } from '../support/database.ts';
import { freePort } from '../support/ports.ts';
import { needs } from '../support/services.ts';
import { storeSenderKeys } from '../support/signed.ts';
import { canaries, canary, fileWith, masterKeys } from './canary-support.ts';

const test = needs(ava.serial, 'postgres');

const quoting = new URL('./programs/quoting-transport.ts', import.meta.url).pathname;

/** A configuration with each canary in each place for a secret. */
function fileOf(databaseUrl: string, password: string, port: number): string {
  const url = new URL(databaseUrl);
  url.password = encodeURIComponent(password);
  const transports = canaries.map((secret, index) => {
    const inUrl = encodeURIComponent(secret);
    const at = `user:${inUrl}@127.0.0.1:${port}`;
    return {
      [`rabbit-${index}`]: { kind: 'amqp091', url: `amqp://${at}` },
      [`artemis-${index}`]: { kind: 'amqp10', url: `amqp://${at}`, address: 'conductor' },
      [`edge-${index}`]: { kind: 'mqtt', url: `mqtt://127.0.0.1:${port}`, user: 'user', password: secret },
      [`stream-${index}`]: { kind: 'nats', url: `nats://127.0.0.1:${port}`, token: secret },
      [`own-${index}`]: { kind: quoting, url: `quoting://${at}`, password: secret, auth: { key: secret } },
    };
  });
  return fileWith(
    stringify({
      database: { url: url.href },
      keys: { masterKeyFile: fileWith(masterKeys.present, 'key') },
      admin: { tokenFile: fileWith('canary token of the operators', 'token') },
      maxInFlight: 10_000,
      transports: Object.assign({}, ...transports),
    }),
    'conductor.yaml',
  );
}

const variables = { CONDUCTOR_KEYS__PREVIOUS_MASTER_KEY: masterKeys.previous };

/** All that a command prints, as a process, with what libraries print. */
async function printed(t: ExecutionContext, file: string, args: readonly string[]) {
  return textOf(await run(t, withFile(args, file), variables));
}

/** All that a command itself prints. */
async function printedHere(file: string, args: readonly string[]) {
  return textOf(await runHere(withFile(args, file), variables));
}

const withFile = (args: readonly string[], file: string) => args.map((arg) => (arg === 'FILE' ? file : arg));

const textOf = ({ code, stdout, errors }: Ended) => ({ code, text: `${stdout}\n${errors.join('\n')}` });

const onDatabase = [
  ['explain', 'i1', '--config', 'FILE'],
  ['dead', 'list', '--config', 'FILE'],
  ['dead', 'show', '1', '--config', 'FILE'],
  ['deferred', 'list', '--config', 'FILE'],
  ['keys', 'list', '--config', 'FILE'],
] as const;

test('commands that read the database print no part of a secret', async (t) => {
  const { url, query } = await createDatabase(t, { migrated: true });
  const key = { sender: 'i1', keyId: 'k1', secret: Buffer.from('canary-canary-canary-canary-cana') };
  await storeSenderKeys({ url, query }, key);
  await query(
    `INSERT INTO dead_letters (transport, reason, body, body_size, body_digest, instance_id)
     VALUES ('rabbit-0', 'not_json', '{', 1, sha256('{'), 'i1')`,
  );
  const file = fileOf(url, canaries.join(''), await freePort());
  for (const args of onDatabase)
    for (const form of [[], ['--json']]) {
      const all = [...args, ...form];
      const { code, text } = await (form.length === 0 ? printed(t, file, all) : printedHere(file, all));
      t.is(code, 0, `${args.join(' ')}: ${text}`);
      t.notRegex(text, canary, args.join(' '));
      t.notRegex(text, new RegExp(key.secret.toString('base64url')), args.join(' '));
    }
});

test('doctor prints no part of a secret, whatever the errors of brokers quote', async (t) => {
  const { url } = await createDatabase(t, { migrated: true });
  const file = fileOf(url, canaries.join(''), await freePort());
  for (const form of [[], ['--json']]) {
    const { code, text } = await printed(t, file, ['doctor', 'FILE', ...form]);
    t.is(code, 1, text);
    t.regex(text, /ECONNREFUSED/);
    t.notRegex(text, canary);
  }
});

test('describe prints no part of a secret', async (t) => {
  const file = fileOf('postgresql://db/trove', canaries.join(''), await freePort());
  t.notRegex((await printed(t, file, ['describe', 'FILE'])).text, canary);
  for (const form of [[], ['--json'], ['--schemas']]) {
    const { code, text } = await printedHere(file, ['describe', 'FILE', ...form]);
    t.is(code, 0, text);
    t.notRegex(text, canary);
  }
});

test('commands print no part of the password of a database that cannot be reached', async (t) => {
  const port = await freePort();
  for (const [index, secret] of canaries.slice(3, 7).entries()) {
    const file = fileOf(`postgresql://user@127.0.0.1:${port}/trove`, secret, port);
    const commands = [onDatabase[0], onDatabase[2], onDatabase[4], ['migrate', '--config', 'FILE']];
    for (const args of commands) {
      const { code, text } = await (index === 0 ? printed(t, file, args) : printedHere(file, args));
      t.is(code, 1, text);
      t.notRegex(text, canary);
    }
  }
});

test('size does not print what an unfit file has', async (t) => {
  const file = fileWith('{"canary": "canary"', 'bench.json');
  const ask = ['size', '--bench', 'FILE', '--instances', '10', '--interval', '10'];
  for (const content of ['{"canary": "canary"', '{"canary": "canary"}', 'canary']) {
    writeFileSync(file, content);
    for (const { code, text } of [await printed(t, file, ask), await printedHere(file, ask)]) {
      t.not(code, 0, text);
      t.notRegex(text, canary);
    }
  }
});
