import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { endLeftBehind, markVariable } from '../support/left-behind.ts';
import { startProcess } from '../support/processes.ts';
import { onlyIf } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const linuxTest = onlyIf(
  test,
  existsSync('/proc/self/environ'),
  'only Linux shows the environment of a process',
);

linuxTest(
  'only processes with the mark of the run and a Postgres on its data are ended and named',
  async (t) => {
    const mark = randomUUID();
    const directory = temporaryDirectory('left-behind');
    const { PATH } = process.env;
    const marked = startProcess('sleep', ['601'], { env: { PATH, [markVariable]: mark } });
    const script = ['-c', 'sleep 602; true', 'postgres'];
    const postgres = startProcess('sh', [...script, '-D', join(directory, 'data')], { env: { PATH } });
    const other = startProcess('sh', [...script, '-D', `${directory}-of-another-run/data`], {
      env: { PATH },
    });
    for (const one of [marked, postgres, other]) t.teardown(async () => void (await one.kill()));
    const named = await endLeftBehind(mark, directory);
    t.deepEqual(named.map((line) => Number(line.split(' ')[0])).sort(), [marked.pid, postgres.pid].sort());
    t.is((await marked.exited).signal, 'SIGKILL');
    t.is(await Promise.race([other.exited, 'running']), 'running');
  },
);
