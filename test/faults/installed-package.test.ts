import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ava from 'ava';
import { clientBrokers } from '../client/brokers.ts';
import { buildPackage, installedBeside } from '../support/package.ts';
import { startProcess } from '../support/processes.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

/** The package as npm publishes it, and one that depends on it. */

const root = fileURLToPath(new URL('../../', import.meta.url));
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');

async function ran(program: string, args: readonly string[], cwd: string) {
  const child = startProcess(program, args, { cwd });
  const { code } = await child.exited;
  return { code, output: child.output() };
}

const [native] = clientBrokers;
needs(ava, 'rabbitmq')('the built package casts, calls and has types, and its command runs', async (t) => {
  const built = await buildPackage();
  const consumer = installedBeside(built);
  writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }');
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
