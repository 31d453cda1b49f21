import { gzipSync } from 'node:zlib';
import ava, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { CALL } from '../../src/core/message/outcome.ts';
import { applyBatch } from '../../src/workers/batch/apply.ts';
import { decode } from '../../src/workers/batch/read.ts';
import type { RawMessage } from '../../src/workers/raw-message.ts';
import { dueLetters, redriveLetters } from '../../src/workers/redrive.ts';
import { createDatabase } from '../support/database.ts';
import { maintain } from '../support/maintain.ts';
import { needs } from '../support/services.ts';
import { apply, insertInstances, native, openContext, raw } from '../support/worker.ts';

const test = needs(ava, 'postgres');
const secret = 's3cret-value';

const oslo = (message: object) =>
  JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) });

async function lettersOf(t: ExecutionContext, message: RawMessage, transport = 'plain') {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { deadLetters: { redact: ['password', 'token'] } });
  const [outcome] = await apply(context, [message], transport);
  const [letter] = await database.query(
    `SELECT redacted, detail, compression, body_size, body, redrive_at, dead_letters::text AS row FROM dead_letters`,
  );
  return { outcome, letter, body: letter?.body === null ? null : String(letter?.body) };
}

for (const [what, message, transport, kept] of [
  [
    'an argument',
    native('none', { instance_id: 'i1', password: secret }),
    'plain',
    '{"method":"none","args":{"instance_id":"i1","password":"[redacted]"}}',
  ],
  [
    'a deep argument in a list, with a structure as its value',
    native('none', { list: [{ a: { token: { deep: [secret] } } }] }),
    'plain',
    '{"method":"none","args":{"list":[{"a":{"token":"[redacted]"}}]}}',
  ],
  [
    "oslo's inner object, and its context",
    raw(oslo({ method: 'none', args: { a: 1, password: secret }, _context_token: secret })),
    'oslo',
    oslo({ method: 'none', args: { a: 1, password: '[redacted]' }, _context_token: '[redacted]' }),
  ],
  [
    'a compressed body',
    raw(gzipSync(JSON.stringify({ method: 'none', args: { password: secret } })), { compression: 'gzip' }),
    'plain',
    '{"method":"none","args":{"password":"[redacted]"}}',
  ],
  [
    'a key that is escaped',
    raw(`{"method":"none","args":{"pass\\u0077ord":"${secret}"}}`),
    'plain',
    '{"method":"none","args":{"password":"[redacted]"}}',
  ],
] as const) {
  test(`the value of a redacted argument is not kept: ${what}`, async (t) => {
    const { outcome, letter, body } = await lettersOf(t, message, transport);
    t.is(outcome, 'dead: unknown_method');
    t.is(body, kept);
    t.like(letter, { redacted: true, compression: null });
    t.false(letter?.row.includes(Buffer.from(secret).toString('hex')));
  });
}

for (const [what, message, transport] of [
  ['is no JSON', raw(`{"args":{"password":"${secret}"`), 'plain'],
  ['is no UTF-8', raw(Buffer.concat([Buffer.from(secret), Buffer.from([0xff])])), 'plain'],
  ['is a list', raw(`["${secret}"]`), 'plain'],
  ['cannot be inflated', raw(secret, { compression: 'gzip' }), 'plain'],
  [
    'has an inner text that is no object',
    raw(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': `{"${secret}` })),
    'oslo',
  ],
  ['is too large', raw(secret, { oversize: { size: 500_000, digest: Buffer.alloc(32) } }), 'plain'],
] as const) {
  test(`nothing is kept of a body that ${what}, if arguments are redacted`, async (t) => {
    const { outcome, letter, body } = await lettersOf(t, message, transport);
    t.regex(outcome ?? '', /^dead: /);
    t.is(body, null);
    t.true(letter?.redacted);
    t.true(letter?.body_size > 0);
    t.false(String(letter?.detail).includes('s3c'), letter?.detail);
  });
}

test('a message without a redacted argument is kept byte by byte', async (t) => {
  const text = '{ "method" : "none", "args": {"n": 12345678901234567890} }';
  const { letter, body } = await lettersOf(t, raw(text));
  t.is(body, text);
  t.false(letter?.redacted);
});

test('neither the detail nor the log quotes a redacted value', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { deadLetters: { redact: ['service_status'] } });
  const message = native('heartbeat', { instance_id: 'i1', sent: 1, payload: { service_status: secret } });
  const item = decode(message, 0, 'plain', context.manager, context.settings);
  if (item === CALL) return t.fail();
  t.true('detail' in item.task && item.task.detail.includes(secret), 'it would be quoted');
  const { dead } = await applyBatch(context, [item]);
  t.is(dead[0]?.detail, '[redacted]: it quoted a value that is not kept');
  t.deepEqual(await database.query('SELECT detail FROM dead_letters'), [{ detail: dead[0]?.detail }]);
});

test('a message that dies in deferred keeps no redacted value either', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { deadLetters: { redact: ['password'] } });
  await database.query(
    `INSERT INTO deferred (method, key, instance_id, transport, args, sent, reason, first_deferred_at, next_attempt_at)
     VALUES ('heartbeat', 'i1', 'i1', 'plain', $1, 3, 'unknown', now() - interval '2 hours', now())`,
    [{ instance_id: 'i1', sent: 3, payload: { service_status: 'running', password: secret } }],
  );
  await maintain(context);
  const [letter] = await database.query(
    `SELECT reason, redacted, convert_from(body, 'UTF8') AS body FROM dead_letters`,
  );
  t.like(letter, { reason: 'never_known', redacted: true });
  t.false(letter?.body.includes(secret));
});

test('an edited letter keeps its values until it is redriven, and a redrive that fails quotes none of them', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { deadLetters: { redact: ['password', 'service_status'] } });
  await insertInstances(database, 'i1');
  await apply(context, [native('none', {})]);
  const redriven = async (status: string) => {
    const args = { instance_id: 'i1', sent: 1, password: secret, payload: { service_status: status } };
    await database.query(
      "UPDATE dead_letters SET edited_body = $1, redrive_at = now(), redrive_by = 'me', redriven_at = NULL",
      [JSON.stringify({ method: 'heartbeat', args })],
    );
    const { ids } = await dueLetters(context, 'plain');
    const { outcomes } = await redriveLetters(context, { transport: 'plain', ids });
    const [letter] = await database.query('SELECT detail, edited_body FROM dead_letters');
    return { outcomes, detail: String(letter?.detail), edited: String(letter?.edited_body) };
  };
  const failed = await redriven(secret);
  t.deepEqual(failed.outcomes, { dead: 1 });
  t.false(failed.detail.includes(secret), failed.detail);
  t.true(failed.edited.includes(secret), 'it may be redriven again');
  const { outcomes, edited } = await redriven('running');
  t.deepEqual(outcomes, { applied: 1 });
  t.is(
    edited,
    '{"method":"heartbeat","args":{"instance_id":"i1","sent":1,"password":"[redacted]","payload":{"service_status":"[redacted]"}}}',
  );
});

test('wherever a redacted value is, in whatever JSON, no letter has it', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { deadLetters: { redact: ['password'] } });
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<unknown>(1, null, true, 'plain'),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'method', 'args', 'password'), tie('tree'), { maxKeys: 3 }),
      fc.constant({ password: secret }),
    ),
  }));
  await fc.assert(
    fc.asyncProperty(tree, fc.boolean(), async (args, isOslo) => {
      const message = { method: 'none', args: { x: args } };
      const body = isOslo ? oslo(message) : JSON.stringify(message);
      await apply(context, [raw(body)], isOslo ? 'oslo' : 'plain');
    }),
    { numRuns: 100 },
  );
  const found = await database.query(
    `SELECT convert_from(body, 'UTF8') AS body, detail FROM dead_letters
     WHERE position(convert_to('s3cret', 'UTF8') IN body) > 0 OR detail LIKE '%s3cret%'`,
  );
  t.deepEqual(found, []);
  const [kept] = await database.query('SELECT count(*)::integer AS count FROM dead_letters WHERE redacted');
  t.true(kept?.count > 10);
});
