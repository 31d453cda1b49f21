import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path/posix';
import test from 'ava';
import { circles, importPattern, root, type Source, sources } from './support/sources.ts';

/** These put the rooms together, as the commands and the package's entry points do; every other file lies in a room. */
const isCompositionRoot = (path: string) => /^(main\.ts|conductor\.ts|conductor\/[a-z-]+\.ts)$/.test(path);
const freeRooms = ['commands', 'public'];
const rooms = [
  ...freeRooms,
  'core',
  'transports',
  'workers',
  'tracing',
  'jobs',
  'database',
  'embedded',
  'client',
  'admin',
  'conformance',
];

/**
 * The layers of the rooms that have several, lowest first, by the beginning of a path. A file belongs to the longest beginning. It may
 * import its own layer and lower ones.
 */
const layers: Readonly<Record<string, readonly string[]>> = {
  core: ['core/', 'core/message/', 'core/transport/', 'core/config/', 'core/gateway/'],
  workers: [
    'workers/settings.ts',
    'workers/raw-message.ts',
    'workers/deferred.ts',
    'workers/grants.ts',
    'workers/packing.ts',
    'workers/postgres/',
    'workers/methods/',
    'workers/batch/',
    'workers/calls/',
    'workers/',
  ],
};

/**
 * What may be imported from npm, by the longest beginning of a path. `core` knows no broker and no database; a transport
 * knows its own broker's client; convict is there for the types of a schema.
 */
const allowedPackages: Readonly<Record<string, readonly string[]>> = {
  'main.ts': ['commander'],
  'public/': ['pino'],
  'commands/': ['commander', 'pg', 'pino', 'yaml'],
  'admin/': ['fastify', 'prom-client'],
  'core/': ['convict', 'pino', 'yaml'],
  'transports/amqp091/': ['amqplib', 'convict'],
  'transports/amqp10/': ['rhea', 'convict'],
  'transports/mqtt/': ['mqtt', 'convict'],
  'transports/nats/': ['@nats-io/jetstream', '@nats-io/transport-node', 'convict'],
  'workers/': ['pg', 'piscina'],
  'tracing/': ['@opentelemetry/api'],
  'client/': ['@opentelemetry/api'],
  'conductor/jobs.ts': ['pg'],
  'jobs/': ['pg-boss'],
  'database/': ['pg', 'pg-boss', 'node-pg-migrate'],
  'embedded/': ['pg', 'aedes', 'mqtt', 'mqtt-packet'],
};

const roomOf = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : path);

/** Each protocol is a room of its own within transports, and each method within workers/methods. */
function apartmentOf(path: string): string {
  const [room = '', inner = ''] = path.split('/');
  return room === 'transports' ? `${room}/${inner.replace(/\.ts$/, '')}` : room;
}

/** What an import breaks, in one line; undefined if it breaks nothing. */
function brokenBy(path: string, imported: string): string | undefined {
  const room = roomOf(path);
  if (isCompositionRoot(path) || freeRooms.includes(room)) return undefined;
  // The record of all protocols.
  if (path === 'transports/index.ts' && roomOf(imported) === 'transports') return undefined;
  const isCore = roomOf(imported) === 'core' && room !== 'core';
  if (isCore) return undefined;
  if (apartmentOf(path) !== apartmentOf(imported))
    return `${apartmentOf(path)} may import core and itself only`;
  const order = layers[room];
  if (order === undefined) return undefined;
  const [own, other] = [layerOf(path, order), layerOf(imported, order)];
  return order.indexOf(other) <= order.indexOf(own) ? undefined : `${own} lies below ${other}`;
}

function layerOf(path: string, order: readonly string[]): string {
  const [longest = ''] = order
    .filter((beginning) => path.startsWith(beginning))
    .toSorted((a, b) => b.length - a.length);
  return longest;
}

/** A folder of a method's own: nobody outside knows what is in it, but for the table that lists the methods. */
const methodFolder = /^workers\/methods\/[^/]+\//;

const violations = (of: (source: Source) => readonly string[]) =>
  sources.flatMap((source) => of(source).map((what) => `${source.path}: ${what}`));

test('the test finds every import, except those that only the configuration or the platform names', (t) => {
  const seen = sources.flatMap(({ text }) => [...text.matchAll(importPattern)]);
  const written = sources.flatMap(({ text }) => text.match(/\bfrom '[^' ]+';$|\bimport\([^)]*'/gm) ?? []);
  t.true(seen.length > 100);
  t.is(seen.length, written.length);
  t.deepEqual(
    violations(({ text }) => text.match(/\bimport\([^)']*\)/g) ?? []).toSorted(),
    // The deployer's own modules, and packages that hold a Postgres.
    [
      'conformance/replica-process.ts: import(module)',
      'core/config/kind-modules.ts: import(module)',
      'embedded/postgres.ts: import(name)',
      'workers/methods/load.ts: import(url)',
    ],
  );
  t.deepEqual(
    violations(({ files }) => files.filter((file) => !sources.some(({ path }) => path === file))),
    [],
  );
});

test('every file lies in a room, except the files that join the rooms', (t) => {
  t.deepEqual(
    sources
      .map(({ path }) => path)
      .filter((path) => !rooms.includes(roomOf(path)) && !isCompositionRoot(path)),
    [],
  );
});

test('a room imports core and itself, a transport imports no other transport, and a layer imports no higher layer', (t) => {
  t.deepEqual(
    violations(({ path, files }) =>
      files.flatMap((file) => {
        const broken = brokenBy(path, file);
        return broken === undefined ? [] : [`imports ${file}, but ${broken}`];
      }),
    ),
    [],
  );
});

test('only the method table and conductor/database.ts import from the folder of a method', (t) => {
  t.deepEqual(
    violations(({ path, files }) => {
      if (
        ['workers/methods/table.ts', 'conductor/database.ts'].includes(path) ||
        freeRooms.includes(roomOf(path))
      )
        return [];
      const [own] = methodFolder.exec(path) ?? [];
      return files.filter((file) => methodFolder.test(file) && methodFolder.exec(file)?.[0] !== own);
    }),
    [],
  );
});

test('imports form no circle, imports of types included', (t) => {
  t.deepEqual(circles(sources), []);
});

test('a room imports only the packages that are listed for it', (t) => {
  const allowed = (path: string) =>
    Object.entries(allowedPackages).find(([beginning]) => path.startsWith(beginning))?.[1] ?? [];
  t.deepEqual(
    violations(({ path, packages }) => packages.filter((name) => !allowed(path).includes(name))),
    [],
  );
});

test('every imported package is a dependency', (t) => {
  const { dependencies }: { dependencies: Record<string, string> } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  t.deepEqual(
    violations(({ packages }) => packages.filter((name) => !Object.hasOwn(dependencies, name))),
    [],
  );
});

test('no file has more than 250 lines', (t) => {
  const files = ['src', 'test', 'bench', 'scripts'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      // The bench installs its peers' packages beside them.
      .filter((path) => /\.(ts|js|mjs|css|html|py|java|sql)$/.test(path) && !path.includes('node_modules'))
      .map((path) => join(folder, path)),
  );
  const lines = (path: string) => readFileSync(join(root, path), 'utf8').split('\n').length - 1;
  t.true(files.length > sources.length + 300);
  t.deepEqual(
    files.filter((path) => lines(path) > 250).map((path) => `${path}: ${lines(path)} lines`),
    [],
  );
});

test('only the logger and the command line print', (t) => {
  t.deepEqual(
    violations(({ text }) => text.match(/\bconsole\.\w+/g) ?? []),
    [],
  );
});

test('no ten lines are repeated among the transports', (t) => {
  const seen = new Map<string, string>();
  const twice: string[] = [];
  for (const { path, text } of sources.filter((source) => roomOf(source.path) === 'transports')) {
    const lines = text.split('\n').map((line) => line.trim());
    for (let first = 0; first + 10 <= lines.length; first += 1) {
      const run = lines.slice(first, first + 10);
      // Imports have to be repeated, and blank lines and brackets say nothing.
      if (run.some((line) => /^(?:import |\} from )/.test(line))) continue;
      if (run.filter((line) => /\w/.test(line)).length < 8) continue;
      const place = `${path}:${first + 1}`;
      const other = seen.get(run.join('\n'));
      if (other === undefined) seen.set(run.join('\n'), place);
      else twice.push(`${place} stands at ${other} too`);
    }
  }
  t.deepEqual(twice, []);
});

test('every file that docs/architecture.md names exists', (t) => {
  const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
  const named = [...page.matchAll(/`([a-z0-9<>/.-]+\.ts)`/g)].map(([, name = '']) => name);
  const missing = [...new Set(named)].filter((name) => {
    const pattern = new RegExp(`(^|/)${name.replace(/^src\//, '').replace(/<[a-z]+>/g, '[^/]+')}$`);
    return !sources.some(({ path }) => pattern.test(path)) && !existsSync(join(root, name));
  });
  t.true(named.length > 20);
  t.deepEqual(missing, []);
});
