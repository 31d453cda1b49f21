import { createSecretKey } from 'node:crypto';
import ava, { type ExecutionContext } from 'ava';
import { decryptSenderKey, readSenderKey } from '../../src/core/message/sender-key.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { masterKey } from '../support/signed.ts';
import { configuration, run } from './support.ts';

const test = needs(ava.serial, 'postgres');

async function start(t: ExecutionContext) {
  const database = await createDatabase(t, { migrated: true });
  const file = configuration(`database: { url: "${database.url}" }`, `keys: { masterKey: "${masterKey}" }`);
  const keys = async (...args: string[]) => {
    const { code, stdout, errors } = await run(t, ['keys', ...args, '--config', file]);
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
