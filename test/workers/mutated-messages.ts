import type { Random } from '../faults/harness/random.ts';

/** Valid messages, and the ways in which a flood changes them. */

const serialized = {
  notification_classname: 'trove.common.notification.DBaaSInstanceCreate',
  tenant_id: 't1',
  client_ip: '192.0.2.10',
  server_ip: '192.0.2.1',
  server_type: 'guest',
  request_id: 'req-1',
};

/** A message of each method, in native form; all about one instance. */
export function corpus(instance: string): string[] {
  const own = { instance_id: instance };
  const notification = { serialized_notification: { ...serialized, ...own } };
  const context = { user: 'u1', project_id: 't1', request_id: 'req-1' };
  const messages: ReadonlyArray<readonly [method: string, args: object, more?: object]> = [
    ['heartbeat', { ...own, sent: 1, payload: { service_status: 'running' } }],
    ['heartbeat', { ...own, payload: {} }],
    ['heartbeat', { ...own, sent: 1.5, payload: { service_status: 'restart required' } }, { context }],
    ['update_backup', { ...own, sent: 2, backup_id: 'b-1', state: 'COMPLETED', size: 1.5, checksum: 'c' }],
    ['update_backup', { ...own, backup_id: 'b-2', location: 'http://192.0.2.1/b', success: true }],
    ['report_root', { ...own, user: 'admin' }],
    ['notify_end', { ...notification, notification_args: { size: 1 } }, { context }],
    [
      'notify_exc_info',
      { ...notification, message: 'it broke', exception: ['Traceback\n', 'line\n'] },
      { context },
    ],
    ['ping', {}, { message_id: 'm-1' }],
    [
      'model_get',
      { model: 'instance', id: instance },
      { message_id: 'm-2', reply_to: 'r', correlation_id: 'c' },
    ],
    ['no_such_method', own],
  ];
  return messages.map(([method, args, more = {}]) =>
    JSON.stringify({ method, args, version: '1.0', ...more }),
  );
}

/** Pieces that mean something to a reader of JSON, of oslo's form, of UTF-8 or of Postgres. */
const pieces = [
  ...[
    '{',
    '}',
    '[',
    ']',
    '"',
    '\\',
    '\\"',
    ':',
    ',',
    ' ',
    '\n',
    'null',
    'true',
    '1e999',
    '-0',
    '9007199254740993',
  ],
  ...[
    '"\\u0000"',
    '"\\ud800"',
    '"__proto__":{}',
    '"constructor":1',
    '"method":"ping",',
    '"args":[],',
    '"sent":1e12,',
  ],
  ...[
    '{"oslo.version": "2.0", "oslo.message": "',
    '\\"_context_user\\": ',
    '"csz-instance-id": "i-2"',
    '"entity": ""',
  ],
  ...['\0', '\u00e9', '\ud83d\ude00', '\ufeff', '['.repeat(2000), '"a":'.repeat(500), 'x'.repeat(5000)],
].map((piece) => Buffer.from(piece));
const wrongUtf8 = [Buffer.from([0xff]), Buffer.from([0xc0, 0xaf]), Buffer.from([0xed, 0xa0, 0x80])];

/** Values that a reader may not expect, as JSON. */
const values = [
  ...[
    'null',
    'true',
    '0',
    '-1',
    '1e999',
    '1e12',
    '0.1',
    '9007199254740993',
    '""',
    '" "',
    '"running"',
    '"i-2"',
    '"b-1"',
  ],
  ...[
    '"\\u0000"',
    '"\\ud800"',
    '"COMPLETED"',
    '[]',
    '[1]',
    '{}',
    '{"__proto__":{"a":1}}',
    '{"toString":1,"valueOf":1}',
  ],
  ...[
    `"${'x'.repeat(300)}"`,
    `"${'é'.repeat(3000)}"`,
    `${'['.repeat(900)}${']'.repeat(900)}`,
    '"2026-11-27T00:00:00"',
  ],
];
const names = [
  '__proto__',
  'constructor',
  'instance_id',
  'sent',
  'payload',
  'method',
  'args',
  'context',
  'reply_to',
  '',
];

/** A value of a JSON text, or the name before it. */
const places =
  /"(?:[^"\\]|\\.)*"(?=\s*:)|(?<=:\s*|[[,]\s*)(?:"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|\{\}|\[\])/g;

/** A message with one to three other names or values. It stays JSON. */
export function substitute(message: string, random: Random): string {
  let text = message;
  for (let changes = random.between(1, 3); changes > 0; changes -= 1) {
    const found = [...text.matchAll(places)];
    if (found.length === 0) return text;
    const { index, 0: old } = random.pick(found);
    const end = index + old.length;
    const isName = /^\s*:/.test(text.slice(end));
    text = `${text.slice(0, index)}${isName ? JSON.stringify(random.pick(names)) : random.pick(values)}${text.slice(end)}`;
  }
  return text;
}

/** One of the bodies, changed in one to four places. */
export function mutate(bodies: ReadonlyArray<Buffer>, random: Random): Buffer {
  let body = random.pick(bodies);
  for (let changes = random.between(1, 4); changes > 0; changes -= 1) body = change(body, bodies, random);
  return body;
}

function change(body: Buffer, bodies: ReadonlyArray<Buffer>, random: Random): Buffer {
  const at = random.between(0, body.length);
  const end = Math.min(body.length, at + random.between(0, 40));
  const [before, removed, behind] = [body.subarray(0, at), body.subarray(at, end), body.subarray(end)];
  switch (random.between(0, 7)) {
    case 0:
      return Buffer.concat([before, Buffer.from([random.between(0, 255)]), body.subarray(at + 1)]);
    case 1:
      return Buffer.concat([before, behind]);
    case 2:
      return Buffer.concat([before, removed, removed, behind]);
    case 3:
      return before;
    case 4: {
      const other = random.pick(bodies);
      return Buffer.concat([before, other.subarray(random.between(0, other.length))]);
    }
    case 5:
      return Buffer.concat([before, random.pick(wrongUtf8), body.subarray(at)]);
    default:
      return Buffer.concat([
        before,
        random.pick(pieces),
        body.subarray(random.between(0, 1) === 0 ? at : end),
      ]);
  }
}
