import { randomUUID } from 'node:crypto';
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ava, { type ExecutionContext } from 'ava';
import pg from 'pg';
import { freePort } from '../support/ports.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { findProgram, type Process, startProcess, waitFor } from '../support/processes.ts';
import { needs, onlyIf, type ServiceName, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/**
 * The commands of docs/tutorials, one after the other, as they stand there. Only the addresses are those of the servers of the tests. What
 * needs root is not run: the packages are those that .ci/run installs, and psql signs in as the superuser of the tests' server.
 */

// One at a time: all make the same database.
const serial = ava.serial;
const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

interface Tutorial {
  readonly needs: ServiceName;
  /** Programs that it uses beside those of the broker. */
  readonly programs: readonly string[];
  /** The addresses in the tutorial, and those of the test. */
  readonly addresses: (
    t: ExecutionContext,
  ) => Promise<ReadonlyArray<readonly [written: string, own: string]>>;
}

async function rabbitmqAddress(t: ExecutionContext): Promise<string> {
  const rabbitmq = service('rabbitmq');
  const vhost = `tutorial-${randomUUID()}`;
  const url = await rabbitmq.createVhost(vhost);
  t.teardown(() => rabbitmq.deleteVhost(vhost));
  return url;
}

const tutorials: Readonly<Record<string, Tutorial>> = {
  rabbitmq: {
    needs: 'rabbitmq',
    programs: [],
    addresses: async (t) => [['amqp://guest:guest@127.0.0.1:5672/%2F', await rabbitmqAddress(t)]],
  },
  amqp10: {
    needs: 'rabbitmq',
    programs: ['amqp-declare-queue'],
    addresses: async (t) => {
      const own = await rabbitmqAddress(t);
      return [
        ['amqp://guest:guest@127.0.0.1:5672/%2F', own],
        ['amqp://guest:guest@127.0.0.1:5672', own],
      ];
    },
  },
  nats: {
    needs: 'nats',
    programs: [],
    addresses: async () => [
      ['4223', String(await freePort())],
      ['nats-data', temporaryDirectory('tutorial')],
    ],
  },
  mqtt: {
    needs: 'mosquitto',
    programs: [],
    addresses: () => Promise.resolve([['127.0.0.1:1883', `127.0.0.1:${service('mosquitto').port}`]]),
  },
};

/** A server of their own: its users sign in with passwords, as on a machine where it was just installed. */
let postgres: (Postgres & { stop(): Promise<void> }) | undefined;

async function startDatabase(): Promise<Postgres> {
  if (postgres !== undefined) return postgres;
  const dataDirectory = join(temporaryDirectory('tutorial'), 'data');
  postgres = await startPostgres({ dataDirectory });
  appendFileSync(join(dataDirectory, 'pg_hba.conf'), 'host all fleet 127.0.0.1/32 scram-sha-256\n');
  await query(postgres, 'SELECT pg_reload_conf()');
  return postgres;
}

ava.after.always(() => postgres?.stop());

async function query(server: Postgres, ...statements: string[]): Promise<void> {
  const client = new pg.Client(server.url());
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

/** The shell blocks, each of which is one command. */
const commandsOf = (page: string) =>
  [...page.matchAll(/^```sh\n(.*)\n```/gm)].map(([, command = '']) => command);

/** The command under "Try more" that starts a replica beside the first. */
function secondReplica(page: string): string {
  const [, command] = /`(CONDUCTOR_REPLICA=second [^`]+)`/.exec(page) ?? [];
  if (command === undefined) throw new Error('the page has no second replica');
  return command;
}

ava('each tutorial has at most six commands, and is in the README', (t) => {
  t.deepEqual(
    readdirSync(join(root, 'docs/tutorials')).toSorted(),
    Object.keys(tutorials)
      .map((name) => `${name}.md`)
      .toSorted(),
  );
  for (const name of Object.keys(tutorials)) {
    const page = read(`docs/tutorials/${name}.md`);
    t.true(commandsOf(page).length >= 5 && commandsOf(page).length <= 6, name);
    t.is(page.match(/^```sh$/gm)?.length, commandsOf(page).length, `a block of ${name} has several lines`);
    t.true(read('README.md').includes(`docs/tutorials/${name}.md`), name);
    const [, yaml] = /^```yaml\n([\s\S]*?)^```/m.exec(page) ?? [];
    t.is(yaml, read(`examples/tutorials/${name}.yaml`), name);
  }
});

for (const [name, tutorial] of Object.entries(tutorials)) {
  const missing = ['psql', ...tutorial.programs].find((program) => findProgram(program) === undefined);
  const test =
    missing === undefined
      ? needs(serial, tutorial.needs, 'postgres')
      : onlyIf(serial, false, `${missing} is missing: apt-get install postgresql-client amqp-tools`);
  test(`docs/tutorials/${name}.md ends with a row in Postgres`, async (t) => {
    const server = await startDatabase();
    t.teardown(() =>
      query(server, 'DROP DATABASE IF EXISTS fleet WITH (FORCE)', 'DROP ROLE IF EXISTS fleet'),
    );
    const page = read(`docs/tutorials/${name}.md`);
    const config = `examples/tutorials/${name}.yaml`;
    const adminPort = await freePort();
    const secondPort = await freePort();
    const file = join(temporaryDirectory('tutorial'), 'conductor.yaml');
    const addresses = [
      ...(await tutorial.addresses(t)),
      ['127.0.0.1:5432', `127.0.0.1:${server.port}`],
      ['/usr/sbin/nats-server', findProgram('nats-server') ?? ''],
      ['8080', String(adminPort)],
      ['8081', String(secondPort)],
      [config, file],
    ] as const;
    const own = (text: string) =>
      addresses.reduce((result, [written, mine]) => result.replaceAll(written, mine), text);
    writeFileSync(file, own(read(config)));
    // The conductor refuses variables of its prefix that it does not know, and the test run has some.
    const inherited = Object.entries(process.env).filter(([key]) => !key.startsWith('CONDUCTOR_'));
    const superuser = { PGHOST: '127.0.0.1', PGPORT: String(server.port), PGUSER: 'conductor' };
    const env = { ...Object.fromEntries(inherited), ...superuser };
    let last: Process | undefined;
    for (const command of commandsOf(page)) {
      const text = own(withoutRoot(t, command));
      if (text === '') continue;
      const child = startProcess('bash', ['-c', text], { cwd: root, env });
      t.teardown(child.kill);
      const ready = readyWords(command);
      if (ready === undefined) t.is((await child.exited).code, 0, `${command}\n${child.output()}`);
      else
        await waitFor(() => child.output().includes(ready), { what: ready, process: child, timeout: 60_000 });
      last = child;
    }
    t.is((await fetch(`http://127.0.0.1:${adminPort}`)).status, 200);
    // The broker has the message; the replica may still be writing it.
    const look = () => /^ i1 +\| running +\|/m.test(last?.output() ?? '');
    if (!look()) {
      const query = own(commandsOf(page).at(-1) ?? '');
      await waitFor(
        async () => {
          last = startProcess('bash', ['-c', query], { cwd: root });
          await last.exited;
          return look();
        },
        { what: 'the row' },
      );
    }
    t.true(look(), last?.output());
    const second = startProcess('bash', ['-c', own(secondReplica(page))], { cwd: root, env });
    t.teardown(second.kill);
    await waitFor(() => second.output().includes('consuming'), {
      what: 'the second replica',
      process: second,
      timeout: 60_000,
    });
    t.is((await fetch(`http://127.0.0.1:${secondPort}`)).status, 200);
  });
}

/** The words of a program that runs until it is stopped, once it is ready. */
function readyWords(command: string): string | undefined {
  if (command.includes('nats-server')) return 'Server is ready';
  return command.includes(' start --config ') ? 'consuming' : undefined;
}

/** The command without the parts that need root or take long. Each of them is one that .ci/run does, or the tests' servers have done. */
function withoutRoot(t: ExecutionContext, command: string): string {
  const parts = command.split(' && ').filter((part) => {
    const [, packages] = /^sudo apt-get install --yes (.+)$/.exec(part) ?? [];
    for (const name of packages?.split(' ') ?? []) t.regex(read('.ci/run'), new RegExp(`\\b${name}\\b`));
    return (
      packages === undefined && part !== 'npm ci' && part !== 'sudo rabbitmq-plugins enable rabbitmq_amqp1_0'
    );
  });
  const text = parts.map((part) => part.replace(/^sudo -u postgres psql /, 'psql --dbname postgres '));
  t.false(
    text.some((part) => part.startsWith('sudo')),
    command,
  );
  return text.join(' && ');
}
