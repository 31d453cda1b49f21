import test from 'ava';
import { parse } from 'yaml';
import { configuration, runHere } from './support.ts';

/** What `check-config` says of a configuration that is right. */

const lines = [
  'database: { url: "postgresql://conductor:first-secret@db/trove", lockTimeout: 1000 }',
  'guests: { autoRegister: true }',
  'transports:',
  '  edge: { kind: mqtt, url: "mqtt://eve:second-secret@mq", auth: { mode: subject } }',
];

/** The comments below the settings, without their sign. */
function commentsIn(stdout: string): string[] {
  return stdout.split('\n').flatMap((line) => /^# ?(.*)$/.exec(line)?.[1] ?? []);
}

test('check-config ends with its verdict, and names the settings that are not the defaults', async (t) => {
  const file = configuration(...lines);
  const { code, stdout, errors } = await runHere(['check-config', file], { CONDUCTOR_MAX_IN_FLIGHT: '7' });
  t.is(code, 0);
  t.deepEqual(errors, []);
  t.deepEqual(commentsIn(stdout), [
    'Not the defaults, from the file or the environment:',
    '  database.url: postgresql://conductor:***@db/trove',
    '  maxInFlight: 7',
    '  guests.autoRegister: true',
    '  transports.edge.kind: mqtt',
    '  transports.edge.auth.mode: subject',
    '  transports.edge.url: mqtt://eve:***@mq',
    '',
    `${file} is right.`,
    `This connects to nothing. To try the connections: conductor doctor ${file}`,
  ]);
});

test('the output of check-config is YAML, with the same settings as its JSON', async (t) => {
  const file = configuration(...lines);
  const { stdout } = await runHere(['check-config', file]);
  t.deepEqual(parse(stdout), JSON.parse((await runHere(['check-config', file, '--json'])).stdout));
});

test('the verdict has the warnings of the transports, and says that a start needs a transport', async (t) => {
  const none = await runHere(['check-config', configuration('database: { url: "postgresql://db/trove" }')]);
  t.is(none.code, 0);
  t.regex(none.stdout, /^# .* is right, but names no transport: conductor start needs one\.$/m);
  const open = 'transports: { edge: { kind: mqtt, url: "mqtt://127.0.0.1", auth: { mode: none } } }';
  const warned = await runHere([
    'check-config',
    configuration('database: { url: "postgresql://db/trove" }', open),
  ]);
  t.regex(warned.stdout, /^# warning: transports\.edge: auth\.mode is none: .*\n# .* is right\.$/m);
});

test('no text of the file ends a comment of the verdict', async (t) => {
  const file = configuration(
    'database: { url: "postgresql://db/trove" }',
    'services: { "a\\nb: c": { methods: ["ping\\nd: e"] } }',
    'transports: { "x\\ny: z": { kind: mqtt, url: "mqtt://127.0.0.1", auth: { mode: subject } } }',
  );
  const { stdout } = await runHere(['check-config', file]);
  t.deepEqual(parse(stdout), JSON.parse((await runHere(['check-config', file, '--json'])).stdout));
});

for (const command of ['check-config', 'doctor', 'describe']) {
  test(`${command} takes the file with --config, as other commands do, and only once`, async (t) => {
    const file = configuration('database: { url: 7 }');
    const wrong = ['conductor: database.url: must be a string, not a number [wrong-value]'];
    t.deepEqual(await runHere([command, '--config', file]), { code: 2, stdout: '', errors: wrong });
    t.deepEqual(await runHere([command, file]), { code: 2, stdout: '', errors: wrong });
    t.deepEqual(await runHere([command, file, '--config', file]), {
      code: 2,
      stdout: '',
      errors: [
        `error: name the file once: as the argument, or with --config; try conductor ${command} --help`,
      ],
    });
  });
}
