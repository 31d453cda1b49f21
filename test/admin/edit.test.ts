import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ava from 'ava';
import { deadBroker, startAdminReplica } from '../support/admin.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const test = needs(ava, 'postgres');

const letters = `
INSERT INTO dead_letters (transport, reason, detail, method, instance_id, sender, sender_proof, body, body_size, body_digest)
SELECT transport, 'bad_argument', 'wrong', 'heartbeat', 'g1', 'g1', 'subject', '{}', 2, sha256('{}')
FROM unnest(ARRAY['edge', 'elsewhere']) AS transport`;

/** Methods that end the thread in which their arguments are read, or never come back. */
const deadly = `
const method = { allowed: 'anyone', toWire: () => ({}), async apply() {} };
export default {
  deadly: { ...method, parse: () => process.exit(1) },
  endless: { ...method, parse() { for (;;); } },
};
`;

test('the page stores no body that would be dead again, and names all its faults', async (t) => {
  const { url: database, query } = await createDatabase(t, { migrated: true });
  await query(letters);
  const folder = temporaryDirectory('edit');
  const [tokenFile, manager] = [join(folder, 'token'), join(folder, 'methods.mjs')];
  writeFileSync(tokenFile, 'the token of this test\n');
  writeFileSync(manager, deadly);
  const transports = { edge: { ...deadBroker, auth: { mode: 'subject' } } };
  const options = { database, transports, reachable: 0, settings: { manager } };
  const { url } = await startAdminReplica(t, options, { tokenFile });
  const store = async (id: number, body: unknown) => {
    const answer = await fetch(new URL(`/api/letter/body?id=${id}`, url), {
      method: 'PUT',
      headers: { authorization: 'Bearer the token of this test', 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return [answer.status, await answer.text()] as const;
  };
  const [status, text] = await store(1, { method: 'heartbeat', args: { instance_id: 7, sent: 'soon' } });
  t.is(status, 400);
  t.regex(
    text,
    /would be dead again, so it is not stored \(conductor dead edit --force stores it\): args\.instance_id is a number, not a string; args\.sent is a string, not a number/,
  );
  for (const method of ['deadly', 'endless']) {
    const [ended, why] = await store(1, { method, args: {} });
    t.deepEqual([ended, /a worker ends when it reads it/.test(why)], [400, true], why);
  }
  const edited = () => query('SELECT id::integer AS id FROM dead_letters WHERE edited_body IS NOT NULL');
  t.deepEqual(await edited(), []);
  const good = { instance_id: 'g1', sent: 1, payload: { service_status: 'running' } };
  t.is((await store(1, { method: 'heartbeat', args: good }))[0], 200);
  // This replica has no such transport, so it cannot tell.
  t.is((await store(2, { n: 1 }))[0], 200);
  t.deepEqual(await edited(), [{ id: 1 }, { id: 2 }]);
});
