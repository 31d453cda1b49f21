import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { connect } from '../../src/public/client.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { startNats } from '../support/nats.ts';
import { needs, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances, statusOf } from '../support/worker.ts';

/** The rules in docs/security.md, on the real brokers: a guest publishes to its own address, and to no other. */

const page = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');

/** The block of the page that has this text. */
function block(part: string): string {
  const [, ...blocks] = page.split(/^```[a-z]*$/m);
  const found = blocks.filter((_, index) => index % 2 === 0).find((one) => one.includes(part));
  if (found === undefined) throw new Error(`docs/security.md has no block with ${part}`);
  return found;
}

type Entry = Readonly<Record<string, unknown> & { kind: string }>;
interface Broker {
  readonly conductor: Entry;
  readonly guest: Entry;
}

const password = 'a-password';

const brokers = {
  async rabbitmq(t: ExecutionContext): Promise<Broker> {
    const rabbitmq = service('rabbitmq');
    const vhost = `rules-${randomUUID()}`;
    const url = await rabbitmq.createVhost(vhost);
    t.teardown(() => rabbitmq.deleteVhost(vhost));
    // The name of the user is the guest's, and there is one RabbitMQ for all tests.
    const user = 'i1';
    await rabbitmq.request('PUT', `/users/${user}`, { password, tags: '' });
    t.teardown(() => rabbitmq.request('DELETE', `/users/${user}`));
    const commands = block('rabbitmqctl').trim().split('\n').map(wordsOf);
    for (const [, command, , ...rest] of commands) {
      const [configure, write, read] = rest;
      if (command === 'set_permissions')
        await rabbitmq.request('PUT', `/permissions/${vhost}/${user}`, { configure, write, read });
      else
        await rabbitmq.request('PUT', `/topic-permissions/${vhost}/${user}`, {
          exchange: rest[0],
          write: rest[1],
          read: rest[2],
        });
    }
    return {
      conductor: { kind: 'amqp091', url },
      guest: { kind: 'amqp091', url, user, password },
    };
  },

  async nats(t: ExecutionContext): Promise<Broker> {
    const text = block('authorization')
      .replace('$CONDUCTOR_PASSWORD', JSON.stringify(password))
      .replace('$I1_PASSWORD', JSON.stringify(password));
    const nats = await startNats({ settings: [text] });
    t.teardown(nats.stop);
    const entry = { kind: 'nats', url: nats.url, password };
    return {
      conductor: { ...entry, user: 'conductor' },
      guest: { ...entry, user: 'i1', inboxPrefix: '_INBOX.i1' },
    };
  },

  async mosquitto(t: ExecutionContext): Promise<Broker> {
    const file = join(temporaryDirectory('rules'), 'acl');
    writeFileSync(file, block('pattern write'), { mode: 0o600 });
    const mosquitto = await startMosquitto({ settings: [`acl_file ${file}`] });
    t.teardown(mosquitto.stop);
    const entry = { kind: 'mqtt', url: mosquitto.url, password };
    return { conductor: { ...entry, user: 'conductor' }, guest: { ...entry, user: 'i1' } };
  },
} as const;

/** The words of a shell's line, without their quotes. */
function wordsOf(line: string): string[] {
  return line
    .trim()
    .split(/\s+/)
    .map((word) => word.replace(/^'(.*)'$/, '$1'));
}

for (const [name, open] of Object.entries(brokers)) {
  needs(
    test,
    name === 'rabbitmq' || name === 'nats' ? name : 'mosquitto',
    'postgres',
  )(
    `under the rules for ${name} a guest reports for itself, and ${name} refuses its messages at the address of another`,
    async (t) => {
      const broker = await open(t);
      const database = await createDatabase(t, { migrated: true });
      await insertInstances(database, 'i1', 'victim');
      await startConductorHere(t, {
        database: database.url,
        transports: { broker: { ...broker.conductor, auth: { mode: 'subject' } } },
      });
      const guest = await connect({
        transport: broker.guest,
        sender: 'i1',
        reconnect: { base: 10, max: 100 },
      });
      t.teardown(() => guest.close({ deadline: 100 }));
      const beat = (sender: string) =>
        guest.cast(
          'heartbeat',
          { instance_id: sender, payload: { service_status: 'running' } },
          { sender, signal: AbortSignal.timeout(3000) },
        );
      t.is(await beat('i1'), 'sent');
      await waitFor(() => statusOf(database, 'i1'), { what: 'the heartbeat of i1' });
      await t.throwsAsync(beat('victim'));
      // A message of the guest itself arrives after the refused one would have.
      const again = await connect({ transport: broker.guest, sender: 'i1' });
      t.teardown(() => again.close({ deadline: 100 }));
      await again.cast('report_root', {});
      await waitFor(async () => (await database.query('SELECT FROM root_enabled_history')).length > 0, {
        what: 'the report of i1',
      });
      t.is(await statusOf(database, 'victim'), undefined);
      t.deepEqual(await database.query('SELECT FROM dead_letters'), []);
    },
  );
}
