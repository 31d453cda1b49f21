import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { codeOf } from '../../src/core/errors.ts';
import { freePort } from '../support/ports.ts';
import { startProxy } from '../support/proxy.ts';
import { waitFor } from '../support/wait.ts';

test('the proxy passes bytes and their end in both directions', async (t) => {
  const { proxy, client } = await echoThroughProxy(t);
  t.is(await answer(client, 'hello'), 'hello');
  t.is(proxy.connections, 1);
  client.end();
  await once(client, 'end');
  await waitFor(() => proxy.connections === 0, { what: 'the proxy to forget the connection' });
  t.pass();
});

test('url() replaces the port of a URL', async (t) => {
  const { proxy, port } = await echoThroughProxy(t);
  t.is(proxy.url(`amqp://guest:guest@127.0.0.1:${port}/a`), `amqp://guest:guest@127.0.0.1:${proxy.port}/a`);
});

test('cut resets both ends and accepts new connections', async (t) => {
  const { proxy, client, accepted } = await echoThroughProxy(t);
  await answer(client, 'hello');
  const ends = [client, ...accepted].map(async (socket) => codeOf((await once(socket, 'error'))[0]));
  proxy.cut();
  t.deepEqual(await Promise.all(ends), ['ECONNRESET', 'ECONNRESET']);
  t.is(await answer(await open(t, proxy.port), 'again'), 'again');
});

test('delay holds bytes back in either direction, and keeps their order', async (t) => {
  const { proxy, client } = await echoThroughProxy(t);
  proxy.delay(60);
  const begin = performance.now();
  client.write('first ');
  proxy.delay(50);
  client.write('second');
  await waitFor(() => received(client) === 'first second', { what: 'both words' });
  t.true(performance.now() - begin >= 100);
  proxy.delay(0);
  t.is(await answer(client, '!'), 'first second!');
});

test('halfOpen swallows all bytes without closing, and restore cuts the half-open connections', async (t) => {
  const { proxy, client } = await echoThroughProxy(t);
  await answer(client, 'hello');
  proxy.halfOpen();
  client.write('lost');
  const late = await open(t, proxy.port);
  late.write('lost');
  await t.throwsAsync(
    waitFor(() => received(client) !== 'hello' || received(late) !== '', { what: 'an answer', timeout: 100 }),
  );
  const cut = [client, late].map((socket) => once(socket, 'error'));
  await proxy.restore();
  await Promise.all(cut);
  t.is(await answer(await open(t, proxy.port), 'again'), 'again');
});

test('refuse rejects new connections and keeps the others', async (t) => {
  const { proxy, client } = await echoThroughProxy(t);
  await answer(client, 'one');
  proxy.refuse();
  t.is(codeOf(await t.throwsAsync(open(t, proxy.port))), 'ECONNREFUSED');
  t.is(await answer(client, 'two'), 'onetwo');
  await proxy.restore();
  t.is(await answer(await open(t, proxy.port), 'again'), 'again');
});

test('the proxy resets the client if the server is not there', async (t) => {
  const proxy = await startProxy(await freePort());
  t.teardown(proxy.stop);
  const client = await open(t, proxy.port);
  t.is(codeOf((await once(client, 'error'))[0]), 'ECONNRESET');
});

async function echoThroughProxy(t: ExecutionContext) {
  const port = await freePort();
  const accepted: Socket[] = [];
  const server = createServer((socket) => {
    accepted.push(socket);
    socket.on('error', () => {}).pipe(socket);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await startProxy(port);
  t.teardown(async () => {
    await proxy.stop();
    server.close();
  });
  return { port, proxy, accepted, client: await open(t, proxy.port) };
}

const texts = new WeakMap<Socket, string>();

async function open(t: ExecutionContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  t.teardown(() => void socket.destroy());
  await once(socket, 'connect');
  socket.on('error', () => {});
  socket.on('data', (chunk) => texts.set(socket, received(socket) + chunk));
  return socket;
}

function received(socket: Socket): string {
  return texts.get(socket) ?? '';
}

/** All that came back so far, once this came back too. */
async function answer(socket: Socket, text: string): Promise<string> {
  const expected = received(socket) + text;
  socket.write(text);
  await waitFor(() => received(socket) === expected, { what: `the answer ${text}` });
  return received(socket);
}
