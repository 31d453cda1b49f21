import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
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

/** The guests in examples/guests, and what they need to run. */
type Kind = 'mqtt' | 'amqp091' | 'nats';

/** A broker of the test's own, for the addresses in the examples are those of the defaults. */
export const brokers: Record<Kind, (t: ExecutionContext) => Promise<{ url: string; port: number }>> = {
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

export interface Example {
  readonly command: string;
  readonly kind: Kind;
  /** What it needs besides the broker, and whether that is there. */
  readonly needs: string;
  readonly found: boolean;
  /** Its protocol tells it that nobody keeps its messages yet. */
  readonly knows?: true;
}

/** Tests have to be declared at once, so this cannot wait. */
export const canImport = (module: string) => spawnSync(python, ['-c', `import ${module}`]).status === 0;

export const examples: readonly Example[] = [
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

export function declare({ kind, needs: what, found }: Example) {
  if (!Object.hasOwn(transportKinds, kind)) return onlyIf(test, false, `there is no transport ${kind} yet`);
  if (!found) return onlyIf(test, false, `not installed: ${what}`);
  return needs(test, services[kind], 'postgres');
}

export interface Running {
  readonly database: TestDatabase;
  readonly conductor: ConductorHere;
  readonly proxy: TcpProxy;
  readonly guest: Process;
}

/** Starts one of the commands of examples/README.md behind a proxy, with a conductor that takes what it sends. */
export async function start(
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

export const id = 'guest-1';

export function startGuest(
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
export function keyFile(): string {
  const file = join(temporaryDirectory('key'), 'guest.key');
  writeFileSync(file, `${senderKeyText(keyOf(id))}\n`);
  return file;
}

export async function listen(t: ExecutionContext, kind: Kind, url: string, signs = false) {
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
export function heardOf({ database, guest }: Pick<Running, 'database' | 'guest'>, after = 0) {
  return waitFor(
    async () => {
      const row = await statusOf(database, id);
      return row !== undefined && row.sent > after && row;
    },
    { what: 'a heartbeat in Postgres', timeout: 40_000, process: guest },
  );
}

/** It has asked how often to report. */
export function asked({ conductor, guest }: Running) {
  return waitFor(() => conductor.counters.get('broker')?.outcomes.answered === 1, {
    what: 'the answer to the guest',
    timeout: 20_000,
    process: guest,
  });
}

/** The guest's file and its protocol, as the titles of tests name it. */
export function nameOf({ command }: Example): string {
  return command.replace(/^\w+ examples\/guests\/(\S+) \S+ (\w+).*$/, '$1 over $2');
}
