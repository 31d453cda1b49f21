import type { ExecutionContext } from 'ava';
import { isListening } from '../support/ports.ts';
import type { Server } from '../support/server.ts';

/** A second stop does nothing; then neither the port nor the processes are there any more. */
export async function stopsWithoutATrace(t: ExecutionContext, server: Server, port: number): Promise<void> {
  await server.stop();
  await server.stop();
  t.false(await isListening(port));
  t.throws(() => process.kill(server.pid, 0), { code: 'ESRCH' });
  t.throws(() => process.kill(-server.pid, 0), { code: 'ESRCH' });
}
