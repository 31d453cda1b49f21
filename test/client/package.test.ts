import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ava from 'ava';
import { startProcess } from '../support/processes.ts';
import { needs } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { clientBrokers } from './brokers.ts';

/** The package as npm publishes it, and one that depends on it. */

const root = fileURLToPath(new URL('../../', import.meta.url));
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');

async function ran(program: string, args: readonly string[], cwd: string) {
  const child = startProcess(program, args, { cwd });
  const { code } = await child.exited;
  return { code, output: child.output() };
}

/** Builds into a package of its own, so that the working tree stays as it is; returns the folder that depends on it. */
async function buildConsumer(): Promise<{ consumer: string; built: string }> {
  const folder = temporaryDirectory('package');
  const built = join(folder, 'conductor-gateway');
  const consumer = join(folder, 'consumer');
  mkdirSync(join(consumer, 'node_modules'), { recursive: true });
  const args = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', join(built, 'dist')];
  const { code, output } = await ran(process.execPath, args, root);
  if (code !== 0) throw new Error(output);
  cpSync(join(root, 'package.json'), join(built, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(built, 'node_modules'));
  symlinkSync(built, join(consumer, 'node_modules', 'conductor-gateway'));
  writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }');
  return { consumer, built };
}

const [native] = clientBrokers;
needs(ava, 'rabbitmq')('the built package casts, calls and has types; its command runs', async (t) => {
  const { consumer, built } = await buildConsumer();
  if (native === undefined) throw new Error('there is no broker');
  const broker = await native.open(t);
  const heard = await broker.listen();
  const program = `
import { connect, RemoteError, type Heartbeat } from 'conductor-gateway/client';
const beat: Heartbeat = { payload: { service_status: 'running' } };
const client = await connect({ transport: ${JSON.stringify(broker.entry())}, sender: 'i1' });
const result: 'sent' | 'superseded' = await client.cast('heartbeat', beat);
const error: unknown = await client.call('ping', {}).catch((reason: unknown) => reason);
await client.close();
process.stdout.write(result + ' ' + (error instanceof RemoteError ? error.class : 'nothing') + '\\n');
`;
  writeFileSync(join(consumer, 'main.ts'), program);
  writeFileSync(
    join(consumer, 'wrong.ts'),
    `import type { Client } from 'conductor-gateway/client';
export const wrong = (client: Client) => client.cast('heartbeat', { payload: { service_status: 'rnning' } });
`,
  );
  symlinkSync(join(root, 'node_modules', '@types'), join(consumer, 'node_modules', '@types'));
  const flags = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
  const checked = await ran(process.execPath, [tsc, ...flags, 'main.ts'], consumer);
  t.is(checked.code, 0, checked.output);
  const refused = await ran(process.execPath, [tsc, ...flags, 'wrong.ts'], consumer);
  t.not(refused.code, 0);
  t.regex(refused.output, /"rnning"/);

  const running = startProcess(process.execPath, ['main.ts'], { cwd: consumer });
  const call = await waitFor(() => heard[1], { what: 'the call', timeout: 30_000, process: running });
  await broker.reply(call, { error: { class: 'teapot', message: 'short and stout' } });
  t.is((await running.exited).code, 0, running.output());
  t.is(running.stdout(), 'sent teapot\n');

  const { version, bin } = JSON.parse(readFileSync(join(built, 'package.json'), 'utf8'));
  const command = await ran(process.execPath, [join(built, bin.conductor), '--version'], consumer);
  t.deepEqual(command, { code: 0, output: `${version}\n` });
});
