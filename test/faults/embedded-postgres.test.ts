import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import pg from 'pg';
import { ConfigError } from '../../src/core/errors.ts';
import { readPidFile } from '../../src/embedded/leftover.ts';
import { embeddedBinaries, startPostgres } from '../../src/embedded/postgres.ts';
import { freePort } from '../support/ports.ts';
import { startProcess } from '../support/processes.ts';
import { onlyIf } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

const binaries = await embeddedBinaries();
const rootTest = onlyIf(test, process.getuid?.() === 0, 'only root runs Postgres as another user');

test('the server keeps its data between runs, and accepts settings', async (t) => {
  const dataDirectory = join(temporaryDirectory('embedded'), 'deep', 'data');
  const first = await start(t, dataDirectory, { TimeZone: 'Asia/Kathmandu' });
  await query(first.url(), 'CREATE TABLE kept AS SELECT 1 AS value');
  t.deepEqual(await query(first.url(), 'SHOW TimeZone'), [{ TimeZone: 'Asia/Kathmandu' }]);
  await first.stop();
  t.is((await first.exited).code, 0);
  const second = await start(t, dataDirectory);
  t.deepEqual(await query(second.url(), 'SELECT value FROM kept'), [{ value: 1 }]);
  t.false(second.notes.some((note) => note.includes('the data is kept in')));
});

test('a start stops a server that a killed run has left on the data directory', async (t) => {
  const dataDirectory = join(temporaryDirectory('embedded'), 'data');
  const { run, pid } = await startInAnotherProcess(t, dataDirectory);
  await run.kill();
  t.true(isAlive(pid));
  const server = await start(t, dataDirectory);
  await waitFor(() => !isAlive(pid), { what: 'the end of the server that was left behind' });
  t.deepEqual(await query(server.url(), 'SELECT 1 AS one'), [{ one: 1 }]);
});

test('a start refuses while another live run has the data directory', async (t) => {
  const dataDirectory = join(temporaryDirectory('embedded'), 'data');
  const { run, pid } = await startInAnotherProcess(t, dataDirectory);
  const error = await t.throwsAsync(start(t, dataDirectory), { instanceOf: ConfigError });
  t.regex(error.message, new RegExp(`in use by process ${run.pid}$`));
  t.true(isAlive(pid));
  await run.stop();
  await waitFor(() => !isAlive(pid), { what: 'the end of the server, which is told to when its run ends' });
});

test('the server starts again at once after a crash', async (t) => {
  const dataDirectory = join(temporaryDirectory('embedded'), 'data');
  const crashed = await start(t, dataDirectory);
  process.kill(crashed.pid, 'SIGKILL');
  t.is((await crashed.exited).signal, 'SIGKILL');
  const server = await start(t, dataDirectory);
  t.deepEqual(await query(server.url(), 'SELECT 1 AS one'), [{ one: 1 }]);
});

// Serial: the other tests keep this thread and the disk so busy that it looked five times a second, and never saw the file.
test.serial(
  'the reader of postmaster.pid finds no server while the file appears and disappears',
  async (t) => {
    const directory = temporaryDirectory('embedded');
    const worker = new Worker(comesAndGoes, { eval: true, workerData: join(directory, 'postmaster.pid') });
    t.teardown(() => worker.terminate());
    const seen = new Set<number | undefined>();
    const look = () => seen.add(readPidFile(directory)?.pid);
    await waitFor(() => look().size === 2, {
      what: 'the file to be there, and not to be there',
      interval: 1,
    });
    t.notThrows(() => {
      for (let looks = 0; looks < 20_000; looks++) look();
    });
    t.deepEqual(seen, new Set([undefined, 4711]));
  },
);

/** The file is complete whenever it is there, as a server's is. */
const comesAndGoes = `
const { renameSync, unlinkSync, writeFileSync } = require('node:fs');
const file = require('node:worker_threads').workerData;
for (;;) {
  writeFileSync(file + '.new', '4711\\n');
  renameSync(file + '.new', file);
  unlinkSync(file);
}`;

test('a start repeats an initdb that was interrupted', async (t) => {
  const directory = temporaryDirectory('embedded');
  // No process has such a number.
  const unfinished = join(directory, 'data.unfinished-99999999');
  mkdirSync(unfinished);
  writeFileSync(join(unfinished, 'PG_VERSION'), '18\n');
  const server = await start(t, join(directory, 'data'));
  t.deepEqual(await query(server.url(), 'SELECT 1 AS one'), [{ one: 1 }]);
  t.false(existsSync(unfinished));
});

test('a start refuses a directory with other content', async (t) => {
  const dataDirectory = temporaryDirectory('embedded');
  writeFileSync(join(dataDirectory, 'letter.txt'), 'Dear Ada');
  await t.throwsAsync(start(t, dataDirectory), { instanceOf: ConfigError, message: /something else/ });
  t.true(existsSync(join(dataDirectory, 'letter.txt')));
});

test("the error of a start that fails has the server's own words", async (t) => {
  const dataDirectory = join(temporaryDirectory('embedded'), 'data');
  await t.throwsAsync(start(t, dataDirectory, { shared_buffers: 'many' }), { message: /shared_buffers/ });
});

rootTest('the data lies elsewhere if Postgres may not enter the directory, and a line says so', async (t) => {
  const closed = temporaryDirectory('embedded');
  chmodSync(closed, 0o700);
  const dataDirectory = join(closed, 'data');
  const first = await start(t, dataDirectory);
  const real = realpathSync(dataDirectory);
  t.true(lstatSync(dataDirectory).isSymbolicLink());
  t.regex(first.notes.join(), new RegExp(`may not enter ${closed}: the data is kept in ${real}$`));
  await query(first.url(), 'CREATE TABLE kept AS SELECT 1 AS value');
  await first.stop();
  const second = await start(t, dataDirectory);
  t.deepEqual(await query(second.url(), 'SELECT value FROM kept'), [{ value: 1 }]);
  t.is(realpathSync(dataDirectory), real);
  t.teardown(() => rmSync(dirname(real), { recursive: true }));
});

rootTest('the binaries are copied once if Postgres may not enter their folder', async (t) => {
  const closed = temporaryDirectory('embedded');
  chmodSync(closed, 0o700);
  cpSync(dirname(dirname(binaries.postgres)), join(closed, 'native'), {
    recursive: true,
    verbatimSymlinks: true,
  });
  const moved = (program: string) => join(closed, 'native', 'bin', program);
  const options = {
    binaries: { initdb: moved('initdb'), postgres: moved('postgres') },
    port: await freePort(),
  };
  const dataDirectory = join(temporaryDirectory('embedded'), 'data');

  const first = await startPostgres({ ...options, dataDirectory });
  t.teardown(first.stop);
  const copy = /is copied to (.*)$/.exec(first.notes.join())?.[1] ?? '';
  t.teardown(() => rmSync(dirname(copy), { recursive: true }));
  t.deepEqual(await query(first.url(), 'SELECT 1 AS one'), [{ one: 1 }]);
  const made = statSync(copy).ctimeMs;
  await first.stop();
  const second = await startPostgres({ ...options, dataDirectory });
  t.teardown(second.stop);
  t.is(statSync(copy).ctimeMs, made);
});

async function start(t: ExecutionContext, dataDirectory: string, settings: Record<string, string> = {}) {
  const server = await startPostgres({ binaries, dataDirectory, port: await freePort(), settings });
  t.teardown(server.stop);
  return server;
}

/** As a run of the demo that this one knows nothing of. */
async function startInAnotherProcess(t: ExecutionContext, dataDirectory: string) {
  const program = fileURLToPath(new URL('programs/hold-postgres.ts', import.meta.url));
  const run = startProcess(process.execPath, [program, dataDirectory, String(await freePort())]);
  t.teardown(async () => void (await run.kill()));
  const printed = () => /^pid (\d+)$/m.exec(run.stdout())?.[1];
  // It makes a data directory first, which is seconds of CPU; the tests beside it want CPU too.
  const wait = { what: 'the server of another process', process: run, timeout: 30_000 };
  const pid = Number(await waitFor(printed, wait));
  return { run, pid };
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
