import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { JsonObject } from '../../src/core/json.ts';
import { freePort, isListening } from '../support/ports.ts';
import { findProgram, startProcess, waitFor } from '../support/processes.ts';
import { needs, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { addressOf, at, documentsOf, kinds, listOf, mapOf, readConfig, root, textOf } from './support.ts';

const folder = 'deploy/compose';

interface Compose {
  readonly services: ReadonlyArray<readonly [name: string, service: JsonObject]>;
  readonly replicas: ReadonlyArray<readonly [name: string, service: JsonObject]>;
  readonly secrets: JsonObject;
}

function composeOf(kind: string): Compose {
  const [file] = documentsOf(textOf(`${folder}/${kind}.yaml`));
  const services = Object.entries(mapOf(file?.services)).map(([name, value]): [string, JsonObject] => [
    name,
    mapOf(value),
  ]);
  return {
    services,
    replicas: services.filter(([name]) => /^conductor-\d$/.test(name)),
    secrets: mapOf(file?.secrets),
  };
}

const environmentOf = (one: JsonObject): Record<string, string> =>
  Object.fromEntries(
    Object.entries(mapOf(one.environment ?? {})).map(([name, value]) => [name, String(value)]),
  );

/** The texts of a list. Throws if one is something else: a text with `: ` and no quotes is a map. */
function stringsOf(value: unknown): string[] {
  if (value === undefined) return [];
  return listOf(value).map((one) => {
    if (typeof one !== 'string') throw new Error(`this is no text: ${JSON.stringify(one)}`);
    return one;
  });
}

test('each kind of transport has a compose file', (t) => {
  const files = readdirSync(join(root, folder)).filter((name) => name.endsWith('.yaml'));
  t.deepEqual(files.toSorted(), kinds.map((kind) => `${kind}.yaml`).toSorted());
});

for (const kind of kinds) {
  test(`${kind}: two replicas with names of their own have a configuration of the repository that connects them to the services`, (t) => {
    const { services, replicas } = composeOf(kind);
    const names = services.map(([name]) => name);
    const text = textOf(`config/${kind}.yaml`);
    const configs = replicas.map(([, one]) => readConfig(text, '/run/secrets', environmentOf(one)));
    t.is(configs.length, 2);
    t.is(new Set(configs.map(({ replica }) => replica)).size, 2);
    for (const config of configs) {
      t.true(names.includes(addressOf(config.database.url).host), config.database.url);
      t.is(config.transports.length, 1);
      for (const { options } of config.transports) {
        t.is(options.kind, kind);
        t.true(names.includes(addressOf(at(options, 'url')).host));
      }
    }
  });

  test(`${kind}: no container of ours may change its files or gain rights, and each has time to stop`, (t) => {
    const ours = composeOf(kind).services.filter(([, one]) => one.image === 'conductor');
    t.true(ours.length >= 3);
    for (const [name, one] of ours) {
      t.true(one.read_only, name);
      t.deepEqual(one.cap_drop, ['ALL'], name);
      t.deepEqual(one.security_opt, ['no-new-privileges:true'], name);
      t.is(one.stop_grace_period, '30s', name);
      t.regex(String(one.mem_limit), /^\d+m$/, name);
    }
    const { shutdown } = readConfig('database: { url: postgresql://db/trove }', '/run/secrets');
    t.true(shutdown.deadline < 30_000);
  });

  test(`${kind}: ports are open on this machine only, images have versions, and no password is in the file`, (t) => {
    for (const [name, one] of composeOf(kind).services) {
      for (const port of stringsOf(one.ports)) t.true(port.startsWith('127.0.0.1:'), `${name}: ${port}`);
      if (one.image !== 'conductor') t.regex(String(one.image), /^docker\.io\/[\w/-]+:\d/, name);
    }
    const open = composeOf(kind).services.flatMap(([, one]) =>
      stringsOf(one.ports).map((port) => port.split(':')[1]),
    );
    t.is(new Set(open).size, open.length, open.join());
    t.notRegex(textOf(`${folder}/${kind}.yaml`), /PASS(?:WORD)?: |change-me/);
  });

  test(`${kind}: what a service names is there: files, secrets, and the services that it waits for`, (t) => {
    const { services, secrets } = composeOf(kind);
    const byName = new Map(services);
    for (const [name, one] of services) {
      for (const volume of stringsOf(one.volumes)) {
        const [source = ''] = volume.split(':');
        if (source.startsWith('.')) t.true(existsSync(join(root, folder, source)), `${name}: ${source}`);
      }
      for (const secret of stringsOf(one.secrets)) t.truthy(secrets[secret], `${name}: ${secret}`);
      for (const [file] of JSON.stringify(one).matchAll(/\/run\/secrets\/\w+/g))
        t.true(stringsOf(one.secrets).includes(file.slice('/run/secrets/'.length)), `${name}: ${file}`);
      for (const [other, wait] of Object.entries(mapOf(one.depends_on ?? {}))) {
        const awaited = byName.get(other);
        t.truthy(awaited, `${name} waits for ${other}`);
        if (at(wait, 'condition') === 'service_healthy') t.truthy(awaited?.healthcheck, other);
      }
    }
  });
}

test('the health check of a replica ends with 0 if it is ready and with 1 otherwise', async (t) => {
  const [, one] = composeOf('nats').replicas[0] ?? [];
  const [, program = '', ...args] = stringsOf(at(one, 'healthcheck', 'test'));
  t.is(program, 'node');
  let status = 200;
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/health/ready' ? status : 404).end();
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const ask = async () =>
    (
      await startProcess(
        process.execPath,
        args.map((arg) => arg.replace(':8080/', `:${port}/`)),
      ).exited
    ).code;
  t.is(await ask(), 0);
  status = 503;
  t.is(await ask(), 1);
});

needs(test, 'mosquitto')('Mosquitto starts with the settings for compose', async (t) => {
  const directory = temporaryDirectory('compose');
  const port = await freePort();
  const file = join(directory, 'mosquitto.conf');
  const settings = textOf(`${folder}/mosquitto.conf`)
    .replace('listener 1883', `listener ${port} 127.0.0.1`)
    .replace('/mosquitto/data/', `${directory}/`);
  writeFileSync(file, `${settings}user ${userInfo().username}\n`);
  const child = startProcess(findProgram('mosquitto') ?? 'mosquitto', ['-c', file]);
  t.teardown(child.kill);
  await waitFor(() => isListening(port), { what: 'mosquitto to listen', process: child });
  t.notRegex(child.output(), /Error|Warning: (?!Mosquitto should not be run as root)/);
});

needs(test, 'rabbitmq')('the queue for AMQP 1.0 is made once, durable', async (t) => {
  const rabbitmq = service('rabbitmq');
  const queue = `compose-${randomUUID()}`;
  const path = `/queues/%2F/${queue}`;
  t.teardown(() => rabbitmq.request('DELETE', path));
  const password = join(temporaryDirectory('compose'), 'broker');
  const make = async (text: string) => {
    writeFileSync(password, text);
    const args = [
      join(root, folder, 'queue.mjs'),
      `http://127.0.0.1:${rabbitmq.managementPort}`,
      queue,
      password,
    ];
    const child = startProcess(process.execPath, args, { env: { ...process.env, BROKER_USER: 'guest' } });
    return { ...(await child.exited), output: child.output() };
  };
  t.like(await make('guest\n'), { code: 0 });
  t.like(await make('guest\n'), { code: 0 });
  t.like(await rabbitmq.request('GET', path), { durable: true, type: 'quorum' });
  const refused = await make('wrong\n');
  t.is(refused.code, 1);
  t.regex(refused.output, /RabbitMQ refuses the queue .*: 401/);
});
