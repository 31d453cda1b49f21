import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path/posix';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('../', import.meta.url));

/** A file of src/ by its path in there, with what it imports: other files likewise, and packages by their names. */
interface Source {
  readonly path: string;
  readonly text: string;
  readonly files: readonly string[];
  readonly packages: readonly string[];
}

/** `import ... from`, also the last line of one that takes several, `export ... from`, `import '...'` and `import('...')`. */
const importPattern =
  /^(?:import\b|export\b|\})[^'"\n]*\bfrom '([^']+)'|^import '([^']+)'|\bimport\([^)']*'([^']+)'\)/gm;

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map(read);

function read(path: string): Source {
  const text = readFileSync(join(root, 'src', path), 'utf8');
  const specifiers = [...text.matchAll(importPattern)]
    .map(([, declared, bare, called]) => declared ?? bare ?? called ?? '')
    .filter((specifier) => !isBuiltin(specifier));
  return {
    path,
    text,
    files: specifiers.filter((one) => one.startsWith('.')).map((one) => join(dirname(path), one)),
    packages: specifiers
      .filter((one) => !one.startsWith('.'))
      .map((one) => one.split('/', one.startsWith('@') ? 2 : 1).join('/')),
  };
}

/** These put the rooms together, as the commands do; every other file lies in a room. */
const compositionRoots = ['main.ts', 'conductor.ts', 'demo.ts', 'client.ts', 'manager.ts', 'transport.ts'];
const rooms = [
  'commands',
  'core',
  'transports',
  'workers',
  'jobs',
  'database',
  'embedded',
  'client',
  'admin',
  'conformance',
];

/**
 * What may be imported from npm, by the longest beginning of a path. `core` knows no broker and no database; a transport
 * knows its own broker's client; convict is there for the types of a schema.
 */
const allowedPackages: Readonly<Record<string, readonly string[]>> = {
  'main.ts': ['commander', 'yaml'],
  'client.ts': ['pino'],
  'commands/': ['commander'],
  'demo.ts': ['pino'],
  'admin/': ['fastify'],
  'core/': ['convict', 'pino', 'yaml'],
  'transports/amqp091/': ['amqplib', 'convict'],
  'transports/amqp10/': ['rhea', 'convict'],
  'transports/mqtt/': ['mqtt', 'convict'],
  'transports/nats/': ['@nats-io/jetstream', '@nats-io/transport-node', 'convict'],
  'workers/': ['pg', 'piscina'],
  'database/': ['pg', 'node-pg-migrate'],
  'embedded/': ['pg', 'aedes', 'mqtt', 'mqtt-packet'],
};

const roomOf = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : path);

/** Each protocol is a room of its own within transports. */
function apartmentOf(path: string): string {
  const [room = '', inner = ''] = path.split('/');
  return room === 'transports' ? `${room}/${inner.replace(/\.ts$/, '')}` : room;
}

function mayImport(path: string, imported: string): boolean {
  if (compositionRoots.includes(path) || roomOf(path) === 'commands') return true;
  if (roomOf(imported) === 'core') return true;
  // The record of all protocols.
  if (path === 'transports/index.ts') return roomOf(imported) === 'transports';
  return apartmentOf(path) === apartmentOf(imported);
}

const violations = (of: (source: Source) => readonly string[]) =>
  sources.flatMap((source) => of(source).map((what) => `${source.path}: ${what}`));

test('every import is seen, but those of which only the configuration or the platform knows the name', (t) => {
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
      'workers/load-manager.ts: import(url)',
    ],
  );
  t.deepEqual(
    violations(({ files }) => files.filter((file) => !sources.some(({ path }) => path === file))),
    [],
  );
});

test('every file lies in a room, but those that put the rooms together', (t) => {
  t.deepEqual(
    sources.map(({ path }) => path).filter((path) => ![...rooms, ...compositionRoots].includes(roomOf(path))),
    [],
  );
});

test('a room imports core and itself, a transport no other transport; only the composition roots import them all', (t) => {
  t.deepEqual(
    violations(({ path, files }) => files.filter((file) => !mayImport(path, file))),
    [],
  );
});

test('a room imports only the packages that are its business', (t) => {
  const allowed = (path: string) =>
    Object.entries(allowedPackages).find(([beginning]) => path.startsWith(beginning))?.[1] ?? [];
  t.deepEqual(
    violations(({ path, packages }) => packages.filter((name) => !allowed(path).includes(name))),
    [],
  );
});

test('every package that is imported is a dependency', (t) => {
  const { dependencies }: { dependencies: Record<string, string> } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  t.deepEqual(
    violations(({ packages }) => packages.filter((name) => !Object.hasOwn(dependencies, name))),
    [],
  );
});

test('no file has more than 300 lines', (t) => {
  const lines = ({ text }: Source) => text.split('\n').length - 1;
  t.deepEqual(
    violations((source) => (lines(source) > 300 ? [`${lines(source)} lines`] : [])),
    [],
  );
});

test('nothing is printed past the logger and the command line', (t) => {
  t.deepEqual(
    violations(({ text }) => text.match(/\bconsole\.\w+/g) ?? []),
    [],
  );
});
