import ava from 'ava';
import { stringify } from 'yaml';
import { clientBrokers } from '../client/brokers.ts';
import { runConductor } from '../support/conductor.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { configuration, run, runHere } from './support.ts';

// One at a time: each is a process that takes half a second of a core to start.
const test = ava.serial;

const nobody = configuration(
  'transports: { rabbit: { kind: amqp091, url: "amqp://guest:a-secret-word@127.0.0.1:1" } }',
);
const two = configuration(
  'transports:',
  '  rabbit: { kind: amqp091, url: "amqp://127.0.0.1:1" }',
  '  edge: { kind: mqtt, url: "mqtt://127.0.0.1:1" }',
);

for (const [what, args, line] of [
  [
    'cast without a method',
    ['cast', '--config', nobody],
    "error: missing required argument 'method'; try conductor cast --help",
  ],
  [
    'cast without --config',
    ['cast', 'ping'],
    "error: required option '--config <file>' not specified; try conductor cast --help",
  ],
  [
    'cast with arguments that are no JSON',
    ['cast', 'ping', '--config', nobody, '--args', '{'],
    /^error: option '--args <json>' argument '\{' is invalid\. a JSON object is expected: /,
  ],
  [
    'call with arguments that are no object',
    ['call', 'ping', '--config', nobody, '--args', '[]'],
    "error: option '--args <json>' argument '[]' is invalid. a JSON object is expected; try conductor call --help",
  ],
  [
    'call with a timeout of 0',
    ['call', 'ping', '--config', nobody, '--timeout', '0'],
    /^error: option '--timeout <seconds>' argument '0' is invalid/,
  ],
  [
    'cast without a sender',
    ['cast', 'ping', '--config', nobody],
    'conductor: --sender is required where the arguments have no instance_id',
  ],
  [
    'cast with several transports and no choice',
    ['cast', 'ping', '--config', two, '--sender', 'i1'],
    'conductor: --transport is required: one of rabbit, edge',
  ],
  [
    'cast on a transport that is not there',
    ['cast', 'ping', '--config', two, '--sender', 'i1', '--transport', 'other'],
    'conductor: --transport: must be one of rabbit, edge',
  ],
  [
    'simulate with a share above 1',
    ['simulate', '--config', nobody, '--die', '2'],
    /^error: option '--die <share>' argument '2' is invalid/,
  ],
] as const) {
  test(`${what} ends with exit code 2 and one line`, async (t) => {
    const { code, stdout, errors } = await runHere(args);
    t.is(code, 2);
    t.is(stdout, '');
    t.is(errors.length, 1, errors.join('\n'));
    if (typeof line === 'string') t.is(errors[0], line);
    else t.regex(errors[0] ?? '', line);
  });
}

for (const [command, expected] of [
  [
    'cast',
    /^conductor: the broker has not taken the message within 0\.3 s: connect ECONNREFUSED 127\.0\.0\.1:1$/,
  ],
  [
    'call',
    /^conductor: ping was not answered within 300 ms: it was never sent, .*ECONNREFUSED 127\.0\.0\.1:1\)$/,
  ],
] as const) {
  test(`${command} to a broker that is not there ends with exit code 1 and one line, without secrets`, async (t) => {
    const args = [command, 'ping', '--config', nobody, '--sender', 'i1', '--timeout', '0.3'];
    const { code, stdout, errors } = await run(t, args);
    t.is(code, 1);
    t.is(stdout, '');
    t.is(errors.length, 1, errors.join('\n'));
    t.regex(errors[0] ?? '', expected);
    t.false(errors.join().includes('a-secret-word'));
  });
}

for (const kind of clientBrokers.filter(({ form, hasProperties }) => form === 'native' && hasProperties)) {
  const brokerTest = needs(test, kind.service);

  brokerTest(`${kind.label}: the commands cast and call send a message and print the result`, async (t) => {
    const broker = await kind.open(t);
    const heard = await broker.listen();
    const file = configuration(stringify({ transports: { only: broker.entry() } }));
    const common = ['--config', file, '--sender', 'i1'];
    const cast = await run(t, [
      'cast',
      'heartbeat',
      '--args',
      '{"payload": {}}',
      '--message-id',
      'm1',
      ...common,
    ]);
    t.deepEqual(cast, { code: 0, stdout: 'heartbeat is on the broker, message id m1\n', errors: [] });
    t.like(heard[0], { method: 'heartbeat', sender: 'i1', messageId: 'm1' });

    for (const [nth, reply, code, stdout, errors] of [
      [1, { result: { pong: true } }, 0, '{\n  "pong": true\n}\n', []],
      [2, { error: { class: 'forbidden', message: 'not you' } }, 1, '', ['conductor: forbidden: not you']],
    ] as const) {
      const child = runConductor(t, ['call', 'ping', ...common]);
      const call = await waitFor(() => heard[nth], { what: 'the call', timeout: 30_000, process: child });
      await broker.reply(call, reply);
      t.is((await child.exited).code, code);
      t.is(child.stdout(), stdout);
      t.deepEqual(child.stderr().split('\n').slice(0, -1), errors);
    }
  });

  brokerTest(
    `${kind.label}: simulate casts heartbeats of a fleet, stops some guests, and prints both`,
    async (t) => {
      const broker = await kind.open(t);
      const heard = await broker.listen();
      const file = configuration(stringify({ transports: { only: broker.entry() } }));
      const flags = ['--guests', '20', '--interval', '0.2', '--die', '0.25', '--for', '2', '--prefix', 'g'];
      const { code, stdout, errors } = await run(t, ['simulate', '--config', file, ...flags]);
      t.is(code, 0, errors.join('\n'));
      t.deepEqual(errors, []);
      t.regex(stdout, /^20 guests at 0\.2 s on only for 2\.\d s: \d+\.\d heartbeats\/s\n/);
      t.regex(stdout, /, 5 guests died, confirmed within \d+\.\d ms \(half\)/);
      const [, cast, sent] = /(\d+) heartbeats cast, (\d+) on the broker/.exec(stdout) ?? [];
      t.is(cast, sent);
      await waitFor(() => heard.length === Number(sent), { what: 'all that it says' });
      t.is(new Set(heard.map(({ sender }) => sender)).size, 20);
      t.true(heard.every(({ sender, args }) => args.instance_id === sender));
      t.true(heard.some(({ sender }) => sender === 'g07'));
    },
  );

  brokerTest(`${kind.label}: simulate --json prints only a summary`, async (t) => {
    const broker = await kind.open(t);
    const heard = await broker.listen();
    const file = configuration(stringify({ transports: { only: broker.entry() } }));
    const flags = ['--json', '--guests', '5', '--interval', '0.2', '--for', '1'];
    const { code, stdout, errors } = await run(t, ['simulate', '--config', file, ...flags]);
    t.is(code, 0, errors.join('\n'));
    t.deepEqual(errors, []);
    const report = JSON.parse(stdout);
    t.like(report, { transport: 'only', guests: 5, interval: 0.2, superseded: 0, died: 0, failed: {} });
    t.true(report.sent > 5 && report.sent === report.cast);
    t.true(report.seconds > 0.5 && report.seconds < 30, String(report.seconds));
    const { p50, p99, max } = report.confirmed;
    t.true(p50 > 0 && p50 <= p99 && p99 <= max);
    await waitFor(() => heard.length === report.sent, { what: 'all that it says' });
  });
}
