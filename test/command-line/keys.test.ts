import { createSecretKey } from 'node:crypto';
import ava, { type ExecutionContext } from 'ava';
import { decryptSenderKey, encryptSenderKey, readSenderKey } from '../../src/core/message/sender-key.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { keyOf, masterKey, storeSenderKeys } from '../support/signed.ts';
import { configuration, run, runHere } from './support.ts';

const test = needs(ava.serial, 'postgres');

async function start(t: ExecutionContext) {
  const database = await createDatabase(t, { migrated: true });
  const file = configuration(`database: { url: "${database.url}" }`, `keys: { masterKey: "${masterKey}" }`);
  const keys = async (...args: string[]) => {
    const { code, stdout, errors } = await runHere(['keys', ...args, '--config', file]);
    return code === 0 ? stdout.trim() : `${code}: ${errors.join('\n')}`;
  };
  return { database, keys };
}

test('a key is made, rotated, listed and revoked', async (t) => {
  const { database, keys } = await start(t);
  const first = readSenderKey(await keys('create', 'i1', '--by', 'me'));
  t.is(first?.sender, 'i1');
  const [stored] = await database.query<{ encrypted: Buffer }>(
    'SELECT encrypted_key AS encrypted FROM sender_keys',
  );
  t.deepEqual(
    first && stored && decryptSenderKey({ ...first, ...stored }, createSecretKey(masterKey, 'base64')),
    first?.secret,
  );
  const second: unknown = JSON.parse(await keys('rotate', 'i1', '--overlap', '1h', '--json'));
  t.like(second, { sender: 'i1' });
  const [ending] = await database.query(
    'SELECT not_after BETWEEN now() AND now() + $1::interval AS "isSoon" FROM sender_keys WHERE key_id = $2',
    ['1 hour', first?.keyId],
  );
  t.deepEqual(ending, { isSoon: true });
  t.regex(await keys('create', 'i1'), /^1: conductor: i1 has 2 live keys already: revoke one/);
  const table = await keys('list');
  t.regex(table, /^sender +key id +state +created +valid until +by\ni1 .* live .*\ni1 .* live /);
  t.false(table.includes(first?.secret.toString('base64url') ?? ''));
  t.is(await keys('revoke', 'i1', first?.keyId ?? ''), `Revoked: ${first?.keyId}.`);
  t.like(JSON.parse(await keys('list', 'i1', '--json')), {
    keys: [{ state: 'revoked' }, { state: 'live' }],
    more: false,
  });
  t.regex(await keys('revoke', 'i2'), /^1: conductor: i2 has no such key/);
  t.regex(await keys('create', 'i 1'), /^2: conductor: sender: must be a text/);
});

test('after a new master key the keys are encrypted anew, also if that was stopped in the middle', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const newMaster = Buffer.alloc(32, 0x4e).toString('base64');
  const keys = Array.from({ length: 1203 }, (_, index) => keyOf(`i-${index}`));
  await storeSenderKeys(database, ...keys.slice(0, 3));
  const [done, damaged] = keys;
  const many = keys.slice(3);
  await database.query(
    `INSERT INTO sender_keys (sender, key_id, encrypted_key, changed_at)
     SELECT *, now() - interval '1 day' FROM unnest($1::text[], $2::text[], $3::bytea[])`,
    [
      many.map(({ sender }) => sender),
      many.map(({ keyId }) => keyId),
      many.map((key) => encryptSenderKey(key, createSecretKey(masterKey, 'base64'))),
    ],
  );
  const set = (sender: string | undefined, value: Buffer) =>
    database.query('UPDATE sender_keys SET encrypted_key = $2 WHERE sender = $1', [sender, value]);
  // An earlier run has come so far.
  if (done !== undefined)
    await set(done.sender, encryptSenderKey(done, createSecretKey(newMaster, 'base64')));
  await set(damaged?.sender, Buffer.alloc(60));
  const reencrypt = (settings: string) =>
    run(t, [
      ...['keys', 'reencrypt', '--json', '--config'],
      configuration(`database: { url: "${database.url}" }`, `keys: { ${settings} }`),
    ]);
  const both = `masterKey: "${newMaster}", previousMasterKey: "${masterKey}"`;
  const first = await reencrypt(both);
  t.deepEqual(JSON.parse(first.stdout), { changed: 1201, unchanged: 1, lost: 1 });
  t.is(first.code, 1);
  t.regex(first.errors.join(), /1 keys open under neither master key, such as i-1 k1: revoke them/);
  const rows = await database.query<{ sender: string; keyId: string; encrypted: Buffer }>(
    'SELECT sender, key_id AS "keyId", encrypted_key AS encrypted FROM sender_keys',
  );
  const master = createSecretKey(newMaster, 'base64');
  const opened = new Map(rows.map((row) => [row.sender, decryptSenderKey(row, master)?.toString('hex')]));
  for (const { sender, secret } of keys)
    t.is(opened.get(sender), sender === damaged?.sender ? undefined : secret.toString('hex'));
  t.deepEqual(JSON.parse((await reencrypt(both)).stdout), { changed: 0, unchanged: 1202, lost: 1 });
  const alone = await reencrypt(`masterKey: "${newMaster}"`);
  t.is(alone.code, 2);
  t.regex(alone.errors.join(), /keys\.previousMasterKey: is required.*\[master-key\]/);
});
