import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ava, { type ExecutionContext } from 'ava';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { lettersWhere, someLetters } from './dead-support.ts';
import { configuration, run, runHere } from './support.ts';

const test = needs(ava.serial, 'postgres');

async function prepared(t: ExecutionContext, ...more: string[]) {
  const database = await createDatabase(t, { migrated: true });
  await someLetters(database);
  const file = configuration(
    `database: { url: "${database.url}" }`,
    'transports: { edge: { kind: mqtt, url: "mqtt://127.0.0.1", auth: { mode: subject } } }',
    ...more,
  );
  await database.query("UPDATE dead_letters SET sender_proof = 'subject' WHERE transport = 'edge'");
  const body = join(temporaryDirectory('body'), 'body.json');
  const edit = (id: string, value: unknown, ...flags: string[]) => {
    writeFileSync(body, JSON.stringify(value));
    return runHere(['dead', 'edit', id, '--body', body, '--config', file, ...flags]);
  };
  return { database, file, edit };
}

const heartbeat = (args: object) => ({ method: 'heartbeat', args });
const refused = 'conductor: the edited body would be dead again, so it is not stored (--force stores it): ';

test('dead edit names all faults of a body at once, and stores it only with --force', async (t) => {
  const { database, edit } = await prepared(t);
  const wrong = heartbeat({ instance_id: 7, sent: 'soon', payload: { service_status: 'well' } });
  const { code, stdout, errors } = await edit('2', wrong);
  t.deepEqual([code, stdout], [2, '']);
  t.deepEqual(errors, [
    `${refused}args.instance_id is a number, not a string; args.sent is a string, not a number; args.payload.service_status is "well", not a status: docs/protocol.md lists them`,
  ]);
  t.deepEqual(await lettersWhere(database, 'edited_body IS NOT NULL'), []);
  t.is((await edit('2', wrong, '--force')).code, 0);
  t.deepEqual(await lettersWhere(database, 'edited_body IS NOT NULL'), [2]);
});

test('dead edit refuses a method that the configuration does not know, a call, and the right of another sender', async (t) => {
  const { edit } = await prepared(t);
  const good = { instance_id: 'i2', sent: 1, payload: { service_status: 'running' } };
  const faults = async (value: unknown) => (await edit('2', value)).errors;
  t.deepEqual(await faults({ method: 'heartbaet', args: 7 }), [
    `${refused}args is a number, not an object; "heartbaet" is not a method of this conductor`,
  ]);
  t.deepEqual(await faults({ method: 'ping', args: {} }), [
    `${refused}ping is a call, and a dead letter is redriven as a cast`,
  ]);
  t.deepEqual(await faults({ ...heartbeat(good), reply_to: 'here' }), [
    `${refused}it asks for an answer, which nobody waits for any more`,
  ]);
  t.deepEqual(await faults(heartbeat({ ...good, instance_id: 'i1' })), [
    `${refused}i2 sent a message about i1`,
  ]);
  t.deepEqual(await faults(heartbeat(good)), []);
  const told = await edit('2', heartbeat(good), '--json', '--by', 'ann');
  t.deepEqual(JSON.parse(told.stdout), { edited: '2', by: 'ann', faults: [] });
});

test('dead edit says what it could not check, and refuses nothing then', async (t) => {
  const { edit, database } = await prepared(t);
  const elsewhere = await edit('3', { n: 1 });
  t.is(elsewhere.code, 0);
  t.regex(
    elsewhere.stdout,
    /\nWhether it can run was not checked: this configuration has no transport rabbit\.\n$/,
  );
  // A notification is published as it is.
  await database.query("UPDATE dead_letters SET topic = 'events' WHERE id = 2");
  t.deepEqual((await edit('2', { n: 1 })).errors, []);
  const broken = await prepared(t, 'manager: ./nowhere.js');
  t.regex(
    (await broken.edit('2', { n: 1 })).stdout,
    /\nWhether it can run was not checked: manager: cannot load /,
  );
});

test('dead edit keeps the text of the editor if it is refused', async (t) => {
  const { file } = await prepared(t);
  const editor = join(temporaryDirectory('editor'), 'editor.sh');
  writeFileSync(editor, `#!/bin/sh\necho '{"method":"heartbeat"}' > "$1"\n`);
  chmodSync(editor, 0o755);
  const variables = { EDITOR: editor, VISUAL: '', TMPDIR: temporaryDirectory('room') };
  const { code, errors } = await run(t, ['dead', 'edit', '2', '--config', file], variables);
  t.is(code, 2);
  const [, kept = ''] =
    /not an object\. Your text is kept\. Correct it, then: conductor dead edit 2 --body (\S+) /.exec(
      errors[0] ?? '',
    ) ?? [];
  t.is(readFileSync(kept, 'utf8'), '{"method":"heartbeat"}\n');
  t.is(statSync(kept).mode & 0o777, 0o600);
  rmSync(dirname(kept), { recursive: true });
});
