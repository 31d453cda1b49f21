import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ava from 'ava';
import { startProcess } from '../support/processes.ts';
import { needs } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { clientBrokers } from './brokers.ts';

/** The client as a package of its own, beside the library of one protocol. */

const root = fileURLToPath(new URL('../../', import.meta.url));
const source = join(root, 'conductor-client');
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

const manifestIn = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

async function ran(args: readonly string[], cwd: string): Promise<{ code: number | null; output: string }> {
  const child = startProcess(process.execPath, args, { cwd });
  const { code } = await child.exited;
  return { code, output: child.output() };
}

/** A folder with the built package, its dependencies and these further ones. */
async function installed(...further: readonly string[]): Promise<string> {
  const folder = temporaryDirectory('client-alone');
  const modules = join(folder, 'node_modules');
  const own = join(modules, 'conductor-gateway-client');
  mkdirSync(own, { recursive: true });
  cpSync(join(source, 'package.json'), join(own, 'package.json'));
  const built = await ran([tsc, '-p', source, '--outDir', join(own, 'dist')], root);
  if (built.code !== 0) throw new Error(`the build failed:\n${built.output}`);
  for (const name of [...Object.keys(manifestIn(source).dependencies), ...further]) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  return folder;
}

const [native] = clientBrokers;

needs(ava, 'rabbitmq')(
  'with the library of one protocol the client casts and calls over it, and names the library of another',
  async (t) => {
    if (native === undefined) throw new Error('there is no broker');
    const broker = await native.open(t);
    const heard = await broker.listen();
    const consumer = await installed('amqplib', '@types');
    writeFileSync(
      join(consumer, 'main.ts'),
      `import { connect, ConfigError } from 'conductor-gateway-client';
declare module 'conductor-gateway-client' {
  interface Methods { store_disk: { readonly used: number } }
  interface Results { store_disk: { readonly left: number } }
}
const client = await connect({ transport: ${JSON.stringify(broker.entry())}, sender: 'i1' });
const states: string[] = [];
const watching = (async () => {
  for await (const { state } of client.states()) states.push(state);
})();
await client.cast('heartbeat', { payload: { service_status: 'running' } });
const { left } = await client.call('store_disk', { used: 3 });
const refused = await connect({ transport: { kind: 'nats', url: 'nats://127.0.0.1:1' }, sender: 'i1' }).catch((error: unknown) => error);
await client[Symbol.asyncDispose]();
await watching;
const code = refused instanceof ConfigError ? refused.code + ': ' + refused.message : 'nothing';
process.stdout.write(JSON.stringify({ left, states, code }));
`,
    );
    writeFileSync(
      join(consumer, 'wrong.ts'),
      `import type { Client } from 'conductor-gateway-client';
export const wrong = async (client: Client) => (await client.call('model_list', { model: 'a' })).row;
`,
    );
    const flags = [
      '--strict',
      '--noEmit',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--types',
      'node',
      '--lib',
      'es2024,esnext.disposable',
    ];
    const checked = await ran([tsc, ...flags, 'main.ts'], consumer);
    t.is(checked.code, 0, checked.output);
    const refused = await ran([tsc, ...flags, 'wrong.ts'], consumer);
    t.regex(refused.output, /Property 'row' does not exist on type 'RowPage'/);

    const running = startProcess(process.execPath, ['main.ts'], { cwd: consumer });
    const call = await waitFor(() => heard[1], { what: 'the call', timeout: 30_000, process: running });
    t.deepEqual(call.args, { used: 3 });
    await broker.reply(call, { result: { left: 4 } });
    t.is((await running.exited).code, 0, running.output());
    t.like(JSON.parse(running.stdout()), {
      left: 4,
      states: ['connected', 'closed'],
      code: 'missing-package: this kind of transport needs @nats-io/jetstream: run npm install @nats-io/jetstream',
    });
  },
);

ava('the package of the client has the versions of the gateway', (t) => {
  const gateway = manifestIn(root);
  const client = manifestIn(source);
  t.is(client.version, gateway.version);
  const wanted = { ...client.dependencies, ...client.peerDependencies };
  // The API has to be the one of the guest's own SDK, whose version only the guest knows.
  const api = '@opentelemetry/api';
  for (const [name, version] of Object.entries(wanted))
    t.is(gateway.dependencies[name], name === api ? '1.9.1' : version, name);
  t.is(wanted[api], '^1.9.0');
  const isOptional = (name: string) => client.peerDependenciesMeta?.[name]?.optional === true;
  t.true(Object.keys(client.peerDependencies ?? {}).every(isOptional));
});
