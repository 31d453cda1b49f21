import test from 'ava';
import { readAccess } from '../../src/core/config/access.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { ThreadState } from '../../src/workers/batch/thread-state.ts';
import { runCall } from '../../src/workers/calls/run.ts';
import type { Manager } from '../../src/workers/methods/contract.ts';
import type { RawMessage } from '../../src/workers/raw-message.ts';
import { createDatabase } from '../support/database.ts';
import { encryptionKey, seal } from '../support/secure.ts';
import { needs } from '../support/services.ts';
import { apply, openContext, raw } from '../support/worker.ts';

/** Messages that are made to break whoever reads them: each harms only itself, and holds nothing. */

const withPostgres = needs(test, 'postgres');

/** An object that is no text, and cannot be made one. */
const noText = { toString: 1, valueOf: 1 };
const deep: unknown = JSON.parse('['.repeat(5000) + ']'.repeat(5000));

const serialized = (more: object = {}) => ({
  notification_classname: 'trove.common.notification.DBaaSInstanceCreate',
  instance_id: 'i-1',
  tenant_id: 't1',
  client_ip: '192.0.2.10',
  server_ip: '192.0.2.1',
  server_type: 'guest',
  request_id: 'req-1',
  ...more,
});

function message(method: string, args: object, context: JsonObject = {}): string {
  // Not JSON.stringify for what is nested too deep for it.
  const { roles, ...others } = context;
  const end = roles === undefined ? '' : `, "roles": ${'['.repeat(5000)}${']'.repeat(5000)}`;
  const begin = JSON.stringify({ own: true, ...others }).slice(0, -1);
  return `{"method": ${JSON.stringify(method)}, "args": ${JSON.stringify(args)}, "context": ${begin}${end}}}`;
}

const error = { message: 'it broke', exception: ['Traceback\n'] };
const hostile: ReadonlyArray<readonly [what: string, body: string]> = [
  [
    'notify_end, a server type that is no text',
    message('notify_end', { serialized_notification: serialized({ server_type: noText }) }),
  ],
  [
    'notify_end, a domain that is no text',
    message('notify_end', { serialized_notification: serialized() }, { domain: noText }),
  ],
  [
    'notify_end, a context nested without end',
    message('notify_end', { serialized_notification: serialized() }, { roles: deep }),
  ],
  [
    'notify_exc_info, a server type that is no text',
    message('notify_exc_info', { serialized_notification: serialized({ server_type: noText }), ...error }),
  ],
];

async function call(context: ThreadState, body: string): Promise<string> {
  const rawMessage: RawMessage = raw(body, { isCall: true });
  const { outcome, heldBecause } = await runCall({
    state: context,
    raw: rawMessage,
    transport: 'plain',
    timeout: 5000,
  });
  return outcome ?? `held: ${heldBecause}`;
}

for (const [what, body] of hostile) {
  withPostgres(`${what} is not held, as a cast or as a call`, async (t) => {
    const context = openContext(t, await createDatabase(t, { migrated: true }));
    const [cast = ''] = await apply(context, [raw(body)]);
    t.true(cast === 'applied' || cast.startsWith('dead: bad_argument'), cast);
    const called = await call(context, body);
    t.true(called === 'answered' || called === 'refused', called);
  });
}

withPostgres('an oslo message with a method before and behind the context is a dead letter', async (t) => {
  const context = openContext(t, await createDatabase(t, { migrated: true }));
  const first = '"args": {"instance_id": "g"}, "_context_x": 1';
  const inner = [
    `{"method": "report_root", ${first}, "method": "nope"}`,
    `{"method":"report_root","args":{"instance_id":"g"},"_context_x":1,"method":"nope"}`,
    `{"method": "notify_end", ${first}, "method": "notify_exc_info"}`,
    `{"method": "heartbeat", ${first}, "method": "notify_end", "_context_user": "u"}`,
  ];
  const bodies = inner.map((message) =>
    raw(`{"oslo.version": "2.0", "oslo.message": ${JSON.stringify(message)}}`),
  );
  t.deepEqual(
    await apply(context, bodies, 'oslo'),
    bodies.map(() => 'dead: bad_envelope'),
  );
});

/** Methods of a deployer's own with the mistakes that are easily made. */
const careless: Manager = {
  misread: {
    allowed: 'anyone',
    mutating: false,
    parse: ({ list }: JsonObject) => {
      // As from JavaScript, or from Python's habits.
      if (!Array.isArray(list)) throw new TypeError('list is not iterable');
      return list;
    },
    run: () => Promise.resolve('unreached'),
  },
  unwritable: { allowed: 'anyone', mutating: false, parse: () => undefined, run: () => Promise.resolve(1n) },
  misread_cast: {
    parse: () => {
      throw new TypeError('args.x is undefined');
    },
    toWire: () => ({}),
    apply: () => Promise.resolve([]),
  },
};

for (const method of Object.keys(careless)) {
  withPostgres(
    `a call is refused, not held, if its method fails on reading or answering: ${method}`,
    async (t) => {
      const opened = openContext(t, await createDatabase(t, { migrated: true }));
      const context = { ...opened, manager: careless };
      const rawMessage = raw(message(method, {}), { isCall: true });
      const { outcome, problem } = await runCall({
        state: context,
        raw: rawMessage,
        transport: 'plain',
        timeout: 5000,
      });
      t.is(outcome, 'refused');
      t.truthy(problem);
    },
  );
}

withPostgres('a message that can be neither opened nor deferred is a dead letter', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, {
    transports: { oslo: { codec: 'oslo', auth: 'trove', instRpcKeyEncrKey: encryptionKey } },
  });
  const body = seal('heartbeat', { instance_id: 'i-3' }, { instance: 'i-3', key: 'key-3' });
  // Postgres keeps no NUL.
  const rawMessage = raw(body, { messageId: 'a\0b' });
  t.deepEqual(await apply(context, [rawMessage], 'oslo'), ['dead: refused']);
  t.deepEqual(await database.query('SELECT method, reason FROM dead_letters'), [
    { method: 'heartbeat', reason: 'refused' },
  ]);
});

withPostgres('a proven sender named anonymous is a guest like any other', async (t) => {
  const context = openContext(t, await createDatabase(t, { migrated: true }), {
    transports: { proven: { codec: 'native', auth: 'subject' } },
    access: readAccess({}, { anonymous: { methods: '*' } }),
  });
  const rawMessage = raw(message('heartbeat', { instance_id: 'i-1', sent: 1, payload: {} }), {
    sender: 'anonymous',
    senderProof: 'subject',
  });
  t.deepEqual(await apply(context, [rawMessage], 'proven'), ['dead: forbidden']);
});
