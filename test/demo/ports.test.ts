import { once } from 'node:events';
import { createServer } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { onFreePort } from '../../src/embedded/ports.ts';
import { freePort } from '../support/ports.ts';

const same = async (port: number) => port;

test('a server starts on the preferred port if the port is free', async (t) => {
  const port = await freePort();
  t.is(await onFreePort(port, same), port);
});

test('a server starts on another port if the preferred one is in use', async (t) => {
  const port = await freePort();
  await take(t, port);
  const chosen = await onFreePort(port, same);
  t.not(chosen, port);
  t.true(chosen > 0);
});

test('a server starts on another port if the chosen one is taken first', async (t) => {
  const port = await freePort();
  const tried: number[] = [];
  const chosen = await onFreePort(port, async (candidate) => {
    tried.push(candidate);
    if (candidate !== port) return candidate;
    await take(t, port);
    throw new Error('the address is in use');
  });
  t.deepEqual(tried, [port, chosen]);
});

test('an error that does not concern the port is thrown at once', async (t) => {
  let tries = 0;
  const failing = async () => {
    tries += 1;
    throw new Error('no such program');
  };
  await t.throwsAsync(onFreePort(await freePort(), failing), { message: 'no such program' });
  t.is(tries, 1);
});

async function take(t: ExecutionContext, port: number): Promise<void> {
  const server = createServer().listen(port);
  await once(server, 'listening');
  t.teardown(() => server.close());
}
