import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { senderKeyText } from '../../src/core/message/sender-key.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { type ConductorHere, startConductorHere } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { startNats } from '../support/nats.ts';
import { findProgram, type Process } from '../support/processes.ts';
import { startProxy, type TcpProxy } from '../support/proxy.ts';
import { needs, onlyIf, service } from '../support/services.ts';
import { keyOf, masterKey, storeSenderKeys } from '../support/signed.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { insertBackup, statusOf } from '../support/worker.ts';
import { python, startExample } from './support.ts';

/** The guests in examples/guests, as a developer starts them, by way of real brokers into Postgres. */

type Kind = 'mqtt' | 'amqp091' | 'nats';

/** A broker of the test's own, for the addresses in the examples are those of the defaults. */
const brokers: Record<Kind, (t: ExecutionContext) => Promise<{ url: string; port: number }>> = {
  mqtt: async (t) => {
    const mosquitto = await startMosquitto();
    t.teardown(mosquitto.stop);
    return mosquitto;
  },
  amqp091: async (t) => {
    const rabbitmq = service('rabbitmq');
    const vhost = `examples-${randomUUID()}`;
    const url = await rabbitmq.createVhost(vhost);
    t.teardown(() => rabbitmq.deleteVhost(vhost));
    return { url, port: rabbitmq.port };
  },
  nats: async (t) => {
    const nats = await startNats();
    t.teardown(nats.stop);
    return nats;
  },
};

const services = { mqtt: 'mosquitto', amqp091: 'rabbitmq', nats: 'nats' } as const;

interface Example {
  readonly command: string;
  readonly kind: Kind;
  /** What it needs besides the broker, and whether that is there. */
  readonly needs: string;
  readonly found: boolean;
  /** Its protocol tells it that nobody keeps its messages yet. */
  readonly knows?: true;
}

/** Tests have to be declared at once, so this cannot wait. */
const canImport = (module: string) => spawnSync(python, ['-c', `import ${module}`]).status === 0;

const examples: readonly Example[] = [
  {
    command: 'python3 examples/guests/guest_mqtt.py i1 mqtt://',
    kind: 'mqtt',
    needs: 'paho-mqtt: apt-get install python3-paho-mqtt',
    found: canImport('paho.mqtt.client'),
  },
  {
    command: 'python3 examples/guests/guest_amqp.py i1 amqp://',
    kind: 'amqp091',
    needs: 'pika: apt-get install python3-pika',
    found: canImport('pika'),
    knows: true,
  },
  {
    command: 'python3 examples/guests/guest_nats.py i1 nats://',
    kind: 'nats',
    needs: 'Python: apt-get install python3',
    found: canImport('json'),
    knows: true,
  },
  {
    command: 'node examples/guests/guest-mqtt.mjs i1 mqtt://',
    kind: 'mqtt',
    needs: 'mqtt: npm ci',
    found: true,
    knows: true,
  },
  {
    command: 'bash examples/guests/guest.sh i1 mqtt://',
    kind: 'mqtt',
    needs: 'mosquitto_pub: apt-get install mosquitto-clients',
    found: findProgram('mosquitto_pub') !== undefined,
  },
  {
    command: 'bash examples/guests/guest.sh i1 amqp://',
    kind: 'amqp091',
    needs: 'amqp-publish: apt-get install amqp-tools',
    found: findProgram('amqp-publish') !== undefined,
    knows: true,
  },
];

function declare({ kind, needs: what, found }: Example) {
  if (!Object.hasOwn(transportKinds, kind)) return onlyIf(test, false, `there is no transport ${kind} yet`);
  if (!found) return onlyIf(test, false, `not installed: ${what}`);
  return needs(test, services[kind], 'postgres');
}

interface Running {
  readonly database: TestDatabase;
  readonly conductor: ConductorHere;
  readonly proxy: TcpProxy;
  readonly guest: Process;
}

/** Starts one of the commands of examples/README.md behind a proxy, with a conductor that takes what it sends. */
async function start(
  t: ExecutionContext,
  example: Example,
  backup?: string,
  interval?: string,
): Promise<Running> {
  const broker = await brokers[example.kind](t);
  // A guest that makes a backup signs.
  const listening = await listen(t, example.kind, broker.url, backup !== undefined);
  const proxy = await startProxy(broker.port);
  t.teardown(proxy.stop);
  return { ...listening, proxy, guest: startGuest(t, example, proxy.url(broker.url), backup, interval) };
}

const id = 'guest-1';

function startGuest(
  t: ExecutionContext,
  { command }: Example,
  url: string,
  backup?: string,
  interval = '1',
): Process {
  return startExample(t, command, id, url, {
    HEARTBEAT_INTERVAL: interval,
    ...(backup !== undefined && { BACKUP_ID: backup, KEY_FILE: keyFile() }),
  });
}

/** A file with the guest's key, as `conductor keys create` prints it. */
function keyFile(): string {
  const file = join(temporaryDirectory('key'), 'guest.key');
  writeFileSync(file, `${senderKeyText(keyOf(id))}\n`);
  return file;
}

async function listen(t: ExecutionContext, kind: Kind, url: string, signs = false) {
  const database = await createDatabase(t, { migrated: true });
  await insertBackup(database, 'backup-1', id);
  await storeSenderKeys(database, keyOf(id));
  const mode = signs ? 'hmac' : kind === 'mqtt' ? 'subject' : 'none';
  const conductor = await startConductorHere(t, {
    database: database.url,
    transports: { broker: { kind, url, auth: { mode } } },
    settings: { guests: { autoRegister: true, heartbeatInterval: 1000 }, keys: { masterKey } },
  });
  return { database, conductor };
}

/** Its status is in Postgres, and was sent later than this. */
function heardOf({ database, guest }: Pick<Running, 'database' | 'guest'>, after = 0) {
  return waitFor(
    async () => {
      const row = await statusOf(database, id);
      return row !== undefined && row.sent > after && row;
    },
    { what: 'a heartbeat in Postgres', timeout: 40_000, process: guest },
  );
}

/** It has asked how often to report. */
function asked({ conductor, guest }: Running) {
  return waitFor(() => conductor.counters.get('broker')?.outcomes.answered === 1, {
    what: 'the answer to the guest',
    timeout: 20_000,
    process: guest,
  });
}

for (const example of examples) {
  const name = example.command.replace(/^\w+ examples\/guests\/(\S+) \S+ (\w+).*$/, '$1 over $2');
  const guestTest = declare(example);

  guestTest(`${name}: its heartbeats and its backup reach Postgres, and it ends on SIGTERM`, async (t) => {
    const running = await start(t, example, 'backup-1');
    const { database, guest } = running;
    const first = await heardOf(running);
    t.is(first.status_description, 'running');
    const later = await heardOf(running, first.sent);
    // The next one comes after an interval of 1 s, but for the jitter.
    t.true(later.sent - first.sent > 0.85, `${later.sent - first.sent} s apart`);
    const backup = await waitFor(
      async () => {
        const [row] = await database.query<{ state: string }>('SELECT * FROM backups');
        return row?.state === 'COMPLETED' && row;
      },
      { what: 'the finished backup in Postgres', process: guest },
    );
    t.like(backup, { size: 0.3, checksum: 'd41d8cd98f00b204e9800998ecf8427e', backup_type: 'full' });
    guest.signal('SIGTERM');
    t.deepEqual(await guest.exited, { code: 0, signal: null }, guest.output());
    t.is(guest.output(), '');
    t.is((await database.query('SELECT FROM dead_letters')).length, 0);
  });

  guestTest(
    `${name}: it reports as often as the conductor asks for, the second time at random`,
    async (t) => {
      // The conductor asks for one second. The guest signs.
      const running = await start(t, example, 'backup-1', '600');
      const first = await heardOf(running);
      await asked(running);
      const second = await heardOf(running, first.sent);
      t.true(second.sent - first.sent > 1, `${second.sent - first.sent} s apart`);
      const third = await heardOf(running, second.sent);
      t.true(third.sent - second.sent > 0.85, `${third.sent - second.sent} s apart`);
    },
  );

  guestTest(
    `${name}: it tries again while the broker is away, and keeps only the newest heartbeat`,
    async (t) => {
      const running = await start(t, example);
      const { conductor, proxy, guest } = running;
      const account = conductor.counters.get('broker');
      const complaints = () => guest.stderr().split('\n').length;
      await heardOf(running);
      await asked(running);
      proxy.refuse();
      proxy.cut();
      const before = complaints();
      // What failed is said in one line at least.
      await waitFor(() => complaints() >= before + 2, {
        what: 'two attempts to fail',
        timeout: 20_000,
        process: guest,
      });
      const { sent } = await heardOf(running);
      const received = account?.received ?? 0;
      await proxy.restore();
      await heardOf(running, sent);
      // One, and the next one if this machine is busy; those of the failed attempts would be two more.
      const late = (account?.received ?? 0) - received;
      t.true(late <= 2, `${late} messages came after the broker`);
      guest.signal('SIGTERM');
      t.deepEqual(await guest.exited, { code: 0, signal: null }, guest.output());
    },
  );

  guestTest(`${name}: it also ends on SIGTERM while the broker is away`, async (t) => {
    const running = await start(t, example);
    await heardOf(running);
    running.proxy.refuse();
    running.proxy.cut();
    await waitFor(() => running.guest.stderr() !== '', {
      what: 'an attempt to fail',
      process: running.guest,
    });
    running.guest.signal('SIGTERM');
    t.deepEqual(await running.guest.exited, { code: 0, signal: null }, running.guest.output());
  });

  if (example.knows !== true) continue;
  guestTest(`${name}: it tries again until a conductor has made the queue for its messages`, async (t) => {
    const { url } = await brokers[example.kind](t);
    const guest = startGuest(t, example, url);
    await waitFor(() => guest.stderr() !== '', { what: 'the guest to complain', process: guest });
    const { database } = await listen(t, example.kind, url);
    t.is((await heardOf({ database, guest })).status_description, 'running');
  });
}

const natsTest = canImport('json') ? needs(test, 'nats') : onlyIf(test, false, 'not installed: Python');

natsTest('guest_nats.py over nats: it waits until a stream stores its messages', async (t) => {
  const nats = await startNats();
  t.teardown(nats.stop);
  const command = 'python3 examples/guests/guest_nats.py i1 nats://';
  const guest = startExample(t, command, id, nats.url, { HEARTBEAT_INTERVAL: '1' });
  const complained = () => guest.stderr().includes('no stream keeps conductor.guest-1 yet');
  await waitFor(complained, { what: 'the guest to miss the stream', process: guest });

  const stream = JSON.stringify({ name: 'EXAMPLES', subjects: ['conductor.*'], storage: 'memory' });
  const create = `PUB $JS.API.STREAM.CREATE.EXAMPLES ${stream.length}\r\n${stream}\r\n`;
  const socket = connect(nats.port, '127.0.0.1').on('error', () => {});
  t.teardown(() => socket.destroy());
  socket.write(`CONNECT {"verbose":false}\r\n${create}`);

  const kept = async () => {
    const state: { messages?: number } = Object(await (await fetch(`${nats.monitorUrl}/jsz`)).json());
    return (state.messages ?? 0) >= 3;
  };
  await waitFor(kept, { what: 'two heartbeats and a call in the stream', timeout: 20_000, process: guest });
  guest.signal('SIGTERM');
  t.deepEqual(await guest.exited, { code: 0, signal: null }, guest.output());
});

const callTest = canImport('paho.mqtt.client')
  ? needs(test, 'mosquitto', 'postgres')
  : onlyIf(test, false, 'not installed: paho-mqtt: apt-get install python3-paho-mqtt');

for (const signs of [false, true])
  callTest(`call_mqtt.py: it gets the answer to its call, ${signs ? 'signed' : 'plain'}`, async (t) => {
    const { url } = await brokers.mqtt(t);
    const database = await createDatabase(t, { migrated: true });
    await storeSenderKeys(database, keyOf(id));
    const edge = { kind: 'mqtt', version: '3.1.1', url, auth: { mode: signs ? 'hmac' : 'none' } };
    await startConductorHere(t, {
      database: database.url,
      transports: { edge },
      settings: { keys: { masterKey } },
    });
    const variables = signs ? { KEY_FILE: keyFile() } : {};
    const caller = startExample(t, 'python3 examples/guests/call_mqtt.py i1 mqtt://', id, url, variables);
    t.deepEqual(await caller.exited, { code: 0, signal: null }, caller.output());
    t.like(JSON.parse(caller.stdout()), { pong: true });
  });

callTest('call_mqtt.py: it says so if there is no answer', async (t) => {
  const { url } = await brokers.mqtt(t);
  const command = 'python3 examples/guests/call_mqtt.py i1 mqtt://';
  const caller = startExample(t, command, id, url, { CALL_TIMEOUT: '0.5' });
  t.is((await caller.exited).code, 1);
  t.is(caller.stderr(), 'no answer within 0.5 s\n');
});
