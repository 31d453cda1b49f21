import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { loadConfig } from '../../src/core/config/load.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { type Process, startProcess } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const patience = 60_000;

test('the demo writes heartbeats to Postgres, ends by itself, leaves no process running and keeps an ordinary configuration file', async (t) => {
  const folder = temporaryDirectory('demo');
  const demo = startDemo(t, folder, '--for', '6');
  t.deepEqual(await demo.exited, { code: 0, signal: null }, demo.output());
  t.is(demo.stderr(), '');
  const [, written, guests] =
    /^Ended after 6 s: (\d+) heartbeats written to Postgres.* where (\d+) guests now have a status/m.exec(
      demo.stdout(),
    ) ?? [];
  // 24 guests, about once a second each; some may have fallen silent.
  t.true(Number(written) > 72, demo.output());
  t.is(guests, '24');
  t.regex(demo.stdout(), /guests in Postgres: .*\d running/);
  assertNothingLeft(t, folder);

  const config = await loadConfig(join(folder, '.conductor', 'demo.yaml'), {}, transportKinds);
  t.true(demo.stdout().includes(config.database.url));
  t.true(config.guests.autoRegister);
  const first = demo.stdout().split('\n').slice(0, 2).join('\n');
  t.true(first.includes(`Status page: http://127.0.0.1:${config.admin.port}/`), first);
  t.true(existsSync(join(folder, config.admin.tokenFile)));
  t.deepEqual(
    config.transports.map(({ options }) => options.auth.mode),
    ['subject'],
  );
});

test('the demo stops cleanly on an interrupt while it creates the database', async (t) => {
  const folder = temporaryDirectory('demo');
  const demo = startDemo(t, folder);
  await waitFor(() => entries(folder).some((name) => name.includes('unfinished')), {
    what: 'the beginning of initdb',
    timeout: patience,
    process: demo,
  });
  demo.signal('SIGTERM');
  t.is((await demo.exited).code, 0, demo.output());
  t.regex(demo.stdout(), /^Ended before the guests began\.$/m);
  assertNothingLeft(t, folder);
});

test('a second demo in the same folder is refused, and does not affect the first, which stops cleanly on an interrupt', async (t) => {
  const folder = temporaryDirectory('demo');
  const first = startDemo(t, folder);
  await printed(first, /The first heartbeat was in Postgres/);
  const second = startDemo(t, folder, '--for', '1');
  t.is((await second.exited).code, 2, second.output());
  t.regex(
    second.stderr(),
    new RegExp(`^conductor: .* is in use by process ${first.pid} \\[data-directory\\]\n$`),
  );
  const lines = first.stdout().split('\n').length;
  await waitFor(() => first.stdout().split('\n').length > lines, {
    what: 'more of the first',
    process: first,
  });
  first.signal('SIGINT');
  t.is((await first.exited).code, 0, first.output());
  t.regex(first.stdout(), /^Ended after \d+ s: \d+ heartbeats written to Postgres/m);
  assertNothingLeft(t, folder);
});

test('the demo ends when its output is closed', async (t) => {
  const folder = temporaryDirectory('demo');
  const command = `"${process.execPath}" "${main}" demo | head -n 1`;
  const demo = startProcess('/bin/sh', ['-c', command], { cwd: folder });
  t.teardown(async () => void (await demo.stop()));
  await demo.exited;
  await waitFor(() => isOver(folder), { what: 'the end of the demo', timeout: patience });
  assertNothingLeft(t, folder);
});

function startDemo(t: ExecutionContext, cwd: string, ...flags: string[]): Process {
  const demo = startProcess(process.execPath, [main, 'demo', ...flags], { cwd });
  t.teardown(async () => void (await demo.stop()));
  return demo;
}

async function printed(process: Process, pattern: RegExp): Promise<void> {
  await waitFor(() => pattern.test(process.stdout()), { what: String(pattern), timeout: patience, process });
}

function entries(folder: string): string[] {
  const path = join(folder, '.conductor');
  return existsSync(path) ? readdirSync(path) : [];
}

/** Postgres removes the file only when it ends in good order. */
function isOver(folder: string): boolean {
  return !existsSync(join(folder, '.conductor', 'postgres', 'postmaster.pid')) && left(folder).length === 0;
}

function assertNothingLeft(t: ExecutionContext, folder: string): void {
  t.false(existsSync(join(folder, '.conductor', 'postgres', 'postmaster.pid')));
  t.deepEqual(left(folder), []);
  t.deepEqual(
    entries(folder).filter((name) => name.includes('unfinished')),
    [],
  );
}

/** The command lines that name the folder. */
function left(folder: string): string[] {
  const path = realpathSync(folder);
  return commandLines().filter((command) => command.includes(path));
}

function commandLines(): string[] {
  if (!existsSync('/proc/self/cmdline')) {
    return execFileSync('ps', ['-A', '-ww', '-o', 'args='], { encoding: 'utf8' }).split('\n');
  }
  return readdirSync('/proc').map((name) => {
    try {
      return readFileSync(join('/proc', name, 'cmdline'), 'utf8');
    } catch {
      // No process, or one that has just ended.
      return '';
    }
  });
}
