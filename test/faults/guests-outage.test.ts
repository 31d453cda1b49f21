import { connect } from 'node:net';
import test from 'ava';
import {
  asked,
  brokers,
  canImport,
  declare,
  examples,
  heardOf,
  id,
  listen,
  nameOf,
  start,
  startGuest,
} from '../examples/guests-support.ts';
import { startExample } from '../examples/support.ts';
import { startNats } from '../support/nats.ts';
import { needs, onlyIf } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

/** The guests in examples/guests while their broker is away, or nobody keeps their messages yet. */

for (const example of examples) {
  const name = nameOf(example);
  const guestTest = declare(example);

  guestTest(
    `${name}: it tries again while the broker is away, and keeps only the newest heartbeat`,
    async (t) => {
      const running = await start(t, example);
      const { conductor, proxy, guest } = running;
      const account = conductor.counters.get('broker');
      const complaints = () => guest.stderr().split('\n').length;
      await heardOf(running);
      await asked(running);
      proxy.refuse();
      proxy.cut();
      const before = complaints();
      // What failed is said in one line at least.
      await waitFor(() => complaints() >= before + 2, {
        what: 'two attempts to fail',
        timeout: 20_000,
        process: guest,
      });
      const { sent } = await heardOf(running);
      const received = account?.received ?? 0;
      await proxy.restore();
      await heardOf(running, sent);
      // One, and the next one if this machine is busy; those of the failed attempts would be two more.
      const late = (account?.received ?? 0) - received;
      t.true(late <= 2, `${late} messages came after the broker`);
      guest.signal('SIGTERM');
      t.deepEqual(await guest.exited, { code: 0, signal: null }, guest.output());
    },
  );

  guestTest(`${name}: it also ends on SIGTERM while the broker is away`, async (t) => {
    const running = await start(t, example);
    await heardOf(running);
    running.proxy.refuse();
    running.proxy.cut();
    await waitFor(() => running.guest.stderr() !== '', {
      what: 'an attempt to fail',
      process: running.guest,
    });
    running.guest.signal('SIGTERM');
    t.deepEqual(await running.guest.exited, { code: 0, signal: null }, running.guest.output());
  });

  if (example.knows !== true) continue;
  guestTest(`${name}: it tries again until a conductor has made the queue for its messages`, async (t) => {
    const { url } = await brokers[example.kind](t);
    const guest = startGuest(t, example, url);
    await waitFor(() => guest.stderr() !== '', { what: 'the guest to complain', process: guest });
    const { database } = await listen(t, example.kind, url);
    t.is((await heardOf({ database, guest })).status_description, 'running');
  });
}

const natsTest = canImport('json') ? needs(test, 'nats') : onlyIf(test, false, 'not installed: Python');

natsTest('guest_nats.py over nats: it waits until a stream stores its messages', async (t) => {
  const nats = await startNats();
  t.teardown(nats.stop);
  const command = 'python3 examples/guests/guest_nats.py i1 nats://';
  const guest = startExample(t, command, id, nats.url, { HEARTBEAT_INTERVAL: '1' });
  const complained = () => guest.stderr().includes('no stream keeps conductor.guest-1 yet');
  await waitFor(complained, { what: 'the guest to miss the stream', process: guest });

  const stream = JSON.stringify({ name: 'EXAMPLES', subjects: ['conductor.*'], storage: 'memory' });
  const create = `PUB $JS.API.STREAM.CREATE.EXAMPLES ${stream.length}\r\n${stream}\r\n`;
  const socket = connect(nats.port, '127.0.0.1').on('error', () => {});
  t.teardown(() => socket.destroy());
  socket.write(`CONNECT {"verbose":false}\r\n${create}`);

  const kept = async () => {
    const state: { messages?: number } = Object(await (await fetch(`${nats.monitorUrl}/jsz`)).json());
    return (state.messages ?? 0) >= 3;
  };
  await waitFor(kept, { what: 'two heartbeats and a call in the stream', timeout: 20_000, process: guest });
  guest.signal('SIGTERM');
  t.deepEqual(await guest.exited, { code: 0, signal: null }, guest.output());
});
