import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { bareEnvironment, startProcess } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { configuration } from './support.ts';

const root = new URL('../../', import.meta.url).href;

/** The rooms and the packages that the command line loads with these arguments. */
async function loadedBy(
  t: ExecutionContext,
  ...args: string[]
): Promise<{ rooms: string[]; packages: string[] }> {
  const file = join(temporaryDirectory('loading'), 'loaded');
  const hook = `import { appendFileSync } from 'node:fs';
    import { registerHooks } from 'node:module';
    registerHooks({ load: (url, context, next) => {
      appendFileSync(${JSON.stringify(file)}, url + '\\n');
      return next(url, context);
    } });`;
  const main = fileURLToPath(new URL('src/main.ts', root));
  const options = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`];
  const child = startProcess(process.execPath, [...options, main, ...args], {
    env: bareEnvironment(),
  });
  t.is((await child.exited).code, 0, child.output());
  const loaded = readFileSync(file, 'utf8').split('\n');
  const named = (pattern: RegExp) => [
    ...new Set(loaded.flatMap((url) => pattern.exec(url.replace(root, ''))?.[1] ?? [])),
  ];
  return {
    rooms: named(/^src\/([^/]+)\//).toSorted(),
    packages: named(/node_modules\/((?:@[^/]+\/)?[^/]+)\//).toSorted(),
  };
}

test('a command that reads no configuration loads no broker, no database, no worker, and no package but commander', async (t) => {
  for (const args of [['--version'], ['dead', 'list', '--help'], ['completion', 'bash']]) {
    const { rooms, packages } = await loadedBy(t, ...args);
    t.deepEqual(packages, ['commander'], args.join(' '));
    t.deepEqual(rooms, ['client', 'commands', 'core', 'database'], args.join(' '));
  }
});

test('check-config loads what reads a configuration, and connects to nothing', async (t) => {
  const { rooms, packages } = await loadedBy(
    t,
    'check-config',
    configuration('database: { url: "postgresql://db/trove" }'),
  );
  for (const name of ['pg', 'pg-boss', 'amqplib', 'rhea', 'mqtt', 'piscina', 'fastify'])
    t.false(packages.includes(name), name);
  for (const room of ['workers', 'jobs', 'admin', 'embedded']) t.false(rooms.includes(room), room);
});
