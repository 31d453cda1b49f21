import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { environmentName } from '../../src/core/config/environment.ts';
import { printable } from '../../src/core/config/load.ts';
import { baseSchema } from '../../src/core/config/schema.ts';
import { maskSecret } from '../../src/core/config/secrets.ts';
import { isObject } from '../../src/core/json.ts';
import { isOption, type Option, type Section } from '../../src/core/options.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { kindNames, minimal, only, rabbit, read, refusal } from './support.ts';

/** Every option of a schema with its path. */
function options(section: Section, path: string[] = []): Array<{ path: string[]; option: Option }> {
  return Object.entries(section).flatMap(([key, node]) =>
    isOption(node) ? [{ path: [...path, key], option: node }] : options(node, [...path, key]),
  );
}

/** A value that the option accepts and that is not its default, as a variable has it; undefined for an only choice. */
function another({ default: usual, format }: Option, key: string | undefined): string | undefined {
  if (key === 'models') return '{"instance":{"table":"instances"}}';
  if (key === 'services') return '{"api":{"methods":["ping"]}}';
  if (Array.isArray(format)) return format.find((word) => word !== usual);
  if (typeof usual === 'number') return String(usual < 1 && usual > 0 ? usual / 2 : usual + 1);
  if (typeof usual === 'boolean') return String(!usual);
  if (isObject(usual)) return '{"x-queue-type":"quorum"}';
  return ['env', 'postgresql://env/db', 'amqp://env', 'mqtt://env', 'nats://env'].find((text) =>
    accepts(format, text),
  );
}

function accepts(format: Option['format'], value: string): boolean {
  if (typeof format !== 'function') return true;
  try {
    format(value);
    return true;
  } catch {
    return false;
  }
}

function valueAt(holder: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (isObject(value) ? value[key] : undefined), holder);
}

const masterKey = Buffer.alloc(32, 5).toString('base64');
const masterKeyFile = join(temporaryDirectory('master-key'), 'master.key');
writeFileSync(masterKeyFile, `${masterKey}\n`);

/** Files that are there, and values with a form of their own: they are read, or looked up, when the configuration is. */
const files: Readonly<Record<string, string>> = {
  passwordFile: fileURLToPath(import.meta.url),
  manager: import.meta.url,
  masterKey,
  masterKeyFile,
  previousMasterKey: masterKey,
  previousMasterKeyFile: masterKeyFile,
};

function declare(path: string[], option: Option, text: string): void {
  const name = environmentName(path);
  const value = files[path.at(-1) ?? ''] ?? another(option, path.at(-1));
  if (value === undefined) return;
  test(`${name} sets ${path.join('.')}`, (t) => {
    const found = valueAt(printable(read(text, { [name]: value })), path);
    const printed =
      option.sensitive === true ? maskSecret({ text: value, isUrl: value.includes('://') }) : value;
    t.is(isObject(found) ? JSON.stringify(found) : String(found), printed);
  });
}

/** `transitions.publish` has to name a transport. */
const withTransport = `${minimal}\ntransports: { env: { kind: nats, url: 'nats://mq' } }`;

for (const { path, option } of options(baseSchema))
  declare(path, option, path.at(-1) === 'publish' ? withTransport : minimal);
for (const [kind, { schema }] of Object.entries(transportKinds)) {
  for (const { path, option } of options(schema)) declare(['transports', kind, ...path], option, only(kind));
}

test('the names of the variables are those in the documentation', (t) => {
  t.is(environmentName(['database', 'connectTimeout']), 'CONDUCTOR_DATABASE__CONNECT_TIMEOUT');
  t.is(environmentName(['maxInFlightBytes']), 'CONDUCTOR_MAX_IN_FLIGHT_BYTES');
  t.is(environmentName(['transports', 'rabbit-2', 'url']), 'CONDUCTOR_TRANSPORTS__RABBIT_2__URL');
});

test('a variable overrides the file', (t) => {
  const config = read(`${minimal}\nmaxInFlight: 10`, {
    CONDUCTOR_MAX_IN_FLIGHT: '20',
    CONDUCTOR_DATABASE__URL: 'postgresql://other/trove',
  });
  t.is(config.maxInFlight, 20);
  t.is(config.database.url, 'postgresql://other/trove');
});

test('a variable finds its transport in any case of its name, and with dashes', (t) => {
  const text = `${minimal}\ntransports: { Rabbit-East: { kind: amqp091, url: amqp://mq } }`;
  const [transport] = read(text, { CONDUCTOR_TRANSPORTS__RABBIT_EAST__QUEUE: 'east' }).transports;
  t.is(transport?.name, 'Rabbit-East');
  t.is(transport?.printable.queue, 'east');
});

test('the environment alone may declare a transport, in any order of the variables', (t) => {
  const [transport] = read(minimal, {
    CONDUCTOR_TRANSPORTS__EDGE__URL: 'mqtt://mq',
    CONDUCTOR_TRANSPORTS__EDGE__AUTH__MODE: 'subject',
    CONDUCTOR_TRANSPORTS__EDGE__KIND: 'mqtt',
  }).transports;
  t.is(transport?.name, 'edge');
  t.is(transport?.printable.kind, 'mqtt');
  t.is(transport?.printable.url, 'mqtt://mq');
  t.is(transport?.options.auth.mode, 'subject');
});

test('the value of a text option is not parsed as YAML', (t) => {
  t.is(read(minimal, { CONDUCTOR_REPLICA: '007' }).replica, '007');
  t.is(read(minimal, { CONDUCTOR_REPLICA: 'a: [b' }).replica, 'a: [b');
});

test('variables of other programs are ignored', (t) => {
  t.notThrows(() => read(minimal, { HOME: '/', PATH: '/bin', CONDUCTORS: '3', conductor_replica: 'x' }));
});

test('an undefined variable is ignored', (t) => {
  t.notThrows(() => read(minimal, { CONDUCTOR_NOPE: undefined }));
});

for (const [what, environment, message] of [
  [
    'a variable for no key',
    { CONDUCTOR_DATABASE__PASWORD: 'x' },
    'CONDUCTOR_DATABASE__PASWORD: no key of the configuration has this environment variable; did you mean CONDUCTOR_DATABASE__PASSWORD_FILE?',
  ],
  [
    'a variable for a section',
    { CONDUCTOR_DATABASE: 'postgresql://db' },
    'CONDUCTOR_DATABASE: no key of the configuration has this environment variable',
  ],
  [
    'a variable below an option',
    { CONDUCTOR_DATABASE__URL__HOST: 'db' },
    'CONDUCTOR_DATABASE__URL__HOST: no key of the configuration has this environment variable',
  ],
  [
    'a variable for no key of its transport',
    { CONDUCTOR_TRANSPORTS__RABBIT__PASWORD: 'x' },
    'CONDUCTOR_TRANSPORTS__RABBIT__PASWORD: no key of the configuration has this environment variable; did you mean CONDUCTOR_TRANSPORTS__RABBIT__PASSWORD?',
  ],
  [
    'a variable for a transport as a whole',
    { CONDUCTOR_TRANSPORTS__RABBIT: '{}' },
    'CONDUCTOR_TRANSPORTS__RABBIT: expected CONDUCTOR_TRANSPORTS__<NAME>__<KEY>',
  ],
  [
    'a variable for all transports',
    { CONDUCTOR_TRANSPORTS: '{}' },
    'CONDUCTOR_TRANSPORTS: expected CONDUCTOR_TRANSPORTS__<NAME>__<KEY>',
  ],
  [
    'a variable for a transport without a kind',
    { CONDUCTOR_TRANSPORTS__RABIT__URL: 'amqp://mq' },
    'CONDUCTOR_TRANSPORTS__RABIT__URL: there is no transport of this name: the file has rabbit, and a further one needs CONDUCTOR_TRANSPORTS__RABIT__KIND; did you mean CONDUCTOR_TRANSPORTS__RABBIT__URL?',
  ],
  [
    'a variable with a misspelt key',
    { CONDUCTOR_DATABASE__UTL: 'x' },
    'CONDUCTOR_DATABASE__UTL: no key of the configuration has this environment variable; did you mean CONDUCTOR_DATABASE__URL?',
  ],
  [
    'a variable with one underscore',
    { CONDUCTOR_LOG_LEVEL: 'x' },
    'CONDUCTOR_LOG_LEVEL: no key of the configuration has this environment variable; did you mean CONDUCTOR_LOG__LEVEL?',
  ],
  [
    'a variable without the S of transports',
    { CONDUCTOR_TRANSPORT__RABBIT__URL: 'x' },
    'CONDUCTOR_TRANSPORT__RABBIT__URL: no key of the configuration has this environment variable; did you mean CONDUCTOR_TRANSPORTS__RABBIT__URL?',
  ],
  [
    'a variable with one underscore behind transports',
    { CONDUCTOR_TRANSPORTS_RABBIT__URL: 'x' },
    'CONDUCTOR_TRANSPORTS_RABBIT__URL: no key of the configuration has this environment variable; did you mean CONDUCTOR_TRANSPORTS__RABBIT__URL?',
  ],
  [
    'a variable with a misspelt key of its transport',
    { CONDUCTOR_TRANSPORTS__RABBIT__AUTH__MOD: 'x' },
    'CONDUCTOR_TRANSPORTS__RABBIT__AUTH__MOD: no key of the configuration has this environment variable; did you mean CONDUCTOR_TRANSPORTS__RABBIT__AUTH__MODE?',
  ],
  [
    'a kind that is not one',
    { CONDUCTOR_TRANSPORTS__RABBIT__KIND: 'kafka' },
    `transports.rabbit.kind: must be one of ${kindNames}`,
  ],
  ['a text for a number', { CONDUCTOR_MAX_IN_FLIGHT: 'many' }, 'maxInFlight: must be a number, not a string'],
  ['an empty number', { CONDUCTOR_MAX_IN_FLIGHT: '' }, 'maxInFlight: must be a number, not null'],
  [
    'a map that is not closed',
    { CONDUCTOR_TRANSPORTS__RABBIT__QUEUE_ARGUMENTS: '{ a: 1' },
    'CONDUCTOR_TRANSPORTS__RABBIT__QUEUE_ARGUMENTS is not YAML: Flow map must end with a } at line 1, column 7',
  ],
] as const) {
  test(`${what} is refused in one line that names it`, (t) => {
    t.is(refusal(rabbit(), environment), message);
  });
}

test('a variable cannot go into a section that is not a map in the file', (t) => {
  t.is(
    refusal('database: 1', { CONDUCTOR_DATABASE__URL: 'postgresql://db' }),
    'CONDUCTOR_DATABASE__URL: database must be a map of keys to values',
  );
});

test('the variables that Kubernetes sets for a Service named conductor are not reported as wrong keys', (t) => {
  const links = {
    CONDUCTOR_SERVICE_HOST: '10.0.0.1',
    CONDUCTOR_SERVICE_PORT_HTTP: '8080',
    CONDUCTOR_PORT: 'tcp://10.0.0.1:8080',
    CONDUCTOR_PORT_8080_TCP_ADDR: '10.0.0.1',
  };
  t.notThrows(() => read(minimal, links));
  t.throws(() => read(minimal, { CONDUCTOR_PORTS: '1' }), { message: /CONDUCTOR_PORTS/ });
});
