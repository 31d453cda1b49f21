import { randomUUID } from 'node:crypto';
import { copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { startBroker } from '../../src/embedded/broker.ts';
import { runConductor } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { buildPackage, installedBeside } from '../support/package.ts';
import { freePort } from '../support/ports.ts';
import { type Process, startProcess } from '../support/processes.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

/** A control plane without a database connection, on the embedded broker: one of its life's stories, end to end. */

const example = fileURLToPath(new URL('../../examples/control-plane/', import.meta.url));

/** The example in a folder where the package is installed, with everything it needs running. */
async function start(t: ExecutionContext) {
  const built = await buildPackage();
  const folder = installedBeside(built);
  for (const name of readdirSync(example)) copyFileSync(join(example, name), join(folder, name));
  const database = await createDatabase(t, { migrated: true });
  const broker = await startBroker(await freePort());
  t.teardown(broker.stop);
  const variables = {
    CONDUCTOR_DATABASE__URL: database.url,
    CONDUCTOR_TRANSPORTS__MESSAGES__URL: broker.url,
    CONDUCTOR_REPLICA: 'example',
  };
  const main = join(built, 'dist', 'main.js');
  const conductor = runConductor(t, ['start', '--config', join(folder, 'conductor.yaml')], variables, main);
  await conductor.log.line('consuming');

  const port = await freePort();
  const env = { ...process.env, BROKER_URL: broker.url, PORT: String(port), INTERVAL: '100' };
  const run = async (file: string, ready: string): Promise<Process> => {
    const program = startProcess(process.execPath, [join(folder, file)], { env, cwd: folder });
    t.teardown(program.kill);
    await waitFor(() => program.output().includes(ready), { what: `${file} to be ready`, process: program });
    return program;
  };
  const services = [
    await run('api-service.ts', 'the API service listens'),
    await run('task-manager.ts', 'the task manager looks for tasks'),
  ];
  const request = async (method: string, path: string, body?: object, key: string = randomUUID()) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { 'idempotency-key': key },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const answer: Record<string, unknown> = Object(await response.json());
    return { code: response.status, answer };
  };
  return { database, services, request };
}

needs(test, 'postgres')(
  'services without a database connection create, start, back up and delete an instance',
  async (t) => {
    const { database, services, request } = await start(t);
    const key = randomUUID();
    const { code, answer } = await request('POST', '/instances', { name: 'first' }, key);
    t.is(code, 202, JSON.stringify(answer));
    t.like(answer, { name: 'first', status: 'NEW' });
    const path = `/instances/${answer.id}`;
    // A request that is repeated, because its answer was lost, creates nothing more.
    t.deepEqual(await request('POST', '/instances', { name: 'first' }, key), { code, answer });

    const seen = new Set<unknown>();
    await waitFor(
      async () => {
        const { status } = (await request('GET', path)).answer;
        seen.add(status);
        return status === 'ACTIVE';
      },
      { what: 'the instance to be active', timeout: 30_000 },
    );
    t.deepEqual(
      [...seen].filter((status) => !['NEW', 'BUILDING', 'ACTIVE'].includes(String(status))),
      [],
    );

    const backup = await request('POST', `${path}/backups`);
    t.is(backup.code, 202, JSON.stringify(backup.answer));
    const completed = await waitFor(
      async () => {
        const { answer } = await request('GET', `/backups/${backup.answer.id}`);
        return answer.state === 'COMPLETED' ? answer : false;
      },
      { what: 'the backup to be completed', timeout: 30_000 },
    );
    t.like(completed, { size: 0.14, location: `https://store.example/backups/${backup.answer.id}` });

    t.is((await request('DELETE', path)).code, 202);
    await waitFor(async () => (await request('GET', path)).code === 404, {
      what: 'the instance to be gone',
      timeout: 30_000,
    });
    const rows = await database.query('SELECT deleted FROM instances');
    t.deepEqual(rows, [{ deleted: true }]);
    t.is((await request('GET', '/backups/none')).code, 404);

    for (const service of services) t.is((await service.stop()).code, 0, service.output());
  },
);
