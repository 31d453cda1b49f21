import { readFileSync } from 'node:fs';
import ava from 'ava';
import { configuration, run, runHere } from './support.ts';

// One at a time: some are processes, each of which takes half a second of a core to start.
const test = ava.serial;

test('--version prints the version of the package', async (t) => {
  const { version }: { version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  t.deepEqual(await run(t, ['--version']), { code: 0, stdout: `${version}\n`, errors: [] });
});

test('--help names every command', async (t) => {
  const { code, stdout, errors } = await run(t, ['--help']);
  t.is(code, 0);
  t.deepEqual(errors, []);
  for (const command of [
    'start',
    'migrate',
    'demo',
    'check-config',
    'describe',
    'doctor',
    'cast',
    'call',
    'simulate',
    'deferred',
    'dead',
    'explain',
    'keys',
    'size',
    'completion',
  ]) {
    t.regex(stdout, new RegExp(`^ {2}${command} .*[a-z]`, 'm'));
  }
});

test("a command's --help names its options", async (t) => {
  const { code, stdout } = await runHere(['migrate', '--help']);
  t.is(code, 0);
  for (const option of ['--config', '--dry-run', '--rollback', '--remove-duplicates'])
    t.true(stdout.includes(option), option);
});

for (const [what, args, line] of [
  ['no command', [], 'error: a command is expected; try conductor --help'],
  ['a group without a command', ['dead'], 'error: a command is expected; try conductor dead --help'],
  ['an unknown command', ['stop'], "error: unknown command 'stop'; try conductor --help"],
  [
    'a misspelt command',
    ['strat'],
    "error: unknown command 'strat' (Did you mean start?); try conductor --help",
  ],
  [
    'an unknown option',
    ['check-config', 'file', '--loud'],
    "error: unknown option '--loud'; try conductor check-config --help",
  ],
  [
    'start without --config',
    ['start'],
    "error: required option '--config <file>' not specified; try conductor start --help",
  ],
  [
    'migrate without --config',
    ['migrate'],
    "error: required option '--config <file>' not specified; try conductor migrate --help",
  ],
  [
    'check-config without a file',
    ['check-config'],
    "error: missing required argument 'file'; try conductor check-config --help",
  ],
] as const) {
  test(`${what} ends with exit code 2 and one line`, async (t) => {
    t.deepEqual(await runHere(args), { code: 2, stdout: '', errors: [line] });
  });
}

test('wrong arguments end a process with exit code 2 and one line', async (t) => {
  t.deepEqual(await run(t, ['stop']), {
    code: 2,
    stdout: '',
    errors: ["error: unknown command 'stop'; try conductor --help"],
  });
});

test('check-config prints the effective configuration with its secrets masked', async (t) => {
  const file = configuration(
    'database: { url: "postgresql://conductor:first-secret@db/trove" }',
    'transports:',
    '  rabbit: { kind: amqp091, url: "amqp://guest:second-secret@mq", codec: oslo, auth: { iKnow: anyone-may-report } }',
  );
  const variables = { CONDUCTOR_TRANSPORTS__RABBIT__QUEUE: 'q', CONDUCTOR_MAX_IN_FLIGHT: '7' };
  const { code, stdout, errors } = await run(t, ['check-config', file], variables);
  t.is(code, 0);
  t.deepEqual(errors, []);
  t.false(stdout.includes('secret'), stdout);
  for (const line of [
    'url: postgresql://conductor:***@db/trove',
    'url: amqp://guest:***@mq',
    'lockTimeout: 1000',
    'codec: oslo',
    'queue: q',
    'maxInFlight: 7',
  ])
    t.true(stdout.includes(line), `${line} in ${stdout}`);
});

const database = 'database: { url: "postgresql://conductor:a-secret@db/trove" }';
const transport = (entry: string) => [database, `transports: { edge: { kind: mqtt, ${entry} } }`];

for (const [what, lines, message] of [
  [
    'an unknown key',
    [database, 'databse: {}'],
    /^conductor: databse: unknown key; expected one of replica, /,
  ],
  [
    'an unknown key in a transport',
    transport('url: "mqtt://mq", tpoic: t'),
    /^conductor: transports\.edge\.tpoic: unknown key; expected one of kind, /,
  ],
  [
    'a value of the wrong type',
    [database, 'maxInFlight: many'],
    /^conductor: maxInFlight: must be a number, not a string \[wrong-value\]$/,
  ],
  [
    'a bad URL',
    transport('url: "http://guest:a-secret@mq"'),
    /^conductor: transports\.edge\.url: must be a URL that starts with mqtt:\/\//,
  ],
  [
    'broken YAML',
    [database, 'workers: {'],
    /conductor\.yaml is not YAML: Flow map .* at line 3, column 1\. Correct the path or the line; config\/ has examples\. \[config-file\]$/,
  ],
] as const) {
  test(`${what} ends with exit code 2 and one line that names it`, async (t) => {
    const { code, stdout, errors } = await runHere(['check-config', configuration(...lines)]);
    t.is(code, 2);
    t.is(stdout, '');
    t.is(errors.length, 1, errors.join('\n'));
    t.regex(errors[0] ?? '', message);
    t.false(errors.join().includes('secret'));
  });
}

for (const args of [['check-config'], ['start', '--config'], ['migrate', '--config']]) {
  test(`${args[0]} with a file that does not exist ends with exit code 2 and one line`, async (t) => {
    const { code, errors } = await run(t, [...args, '/no/such/conductor.yaml']);
    t.is(code, 2);
    t.deepEqual(errors, [
      "conductor: cannot read the configuration file: ENOENT: no such file or directory, open '/no/such/conductor.yaml'. Correct the path or the line; config/ has examples. [config-file]",
    ]);
  });
}

test('start without a transport ends with exit code 2 and one line', async (t) => {
  const { code, errors } = await run(t, ['start', '--config', configuration(database)]);
  t.is(code, 2);
  t.deepEqual(errors, ['conductor: transports: at least one is required [no-transport]']);
});

test('a variable that names no key ends start with exit code 2 and one line', async (t) => {
  const variables = { CONDUCTOR_DATABASE__PASWORD: 'a-secret' };
  const { code, errors } = await run(t, ['start', '--config', configuration(database)], variables);
  t.is(code, 2);
  t.deepEqual(errors, [
    'conductor: CONDUCTOR_DATABASE__PASWORD: no key of the configuration has this environment variable; did you mean CONDUCTOR_DATABASE__PASSWORD_FILE? [unknown-variable]',
  ]);
});

test('check-config --json prints the same as JSON', async (t) => {
  const { code, stdout } = await runHere(['check-config', '--json', configuration(database)]);
  t.is(code, 0);
  const settings: unknown = JSON.parse(stdout);
  t.like(settings, { maxInFlight: 4000, database: { url: 'postgresql://conductor:***@db/trove' } });
});
