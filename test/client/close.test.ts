import test from 'ava';
import { connectTo, FakeSender } from './fake-sender.ts';

/** Alone in its file: another test would keep the process. */

test('a client resolves its close at the deadline, although a message is not confirmed and nothing else keeps the process', async (t) => {
  const sender = new FakeSender();
  const client = await connectTo(t, sender);
  const cast = t.throwsAsync(client.cast('report_root', {}), {
    message: /was closed before the broker had answered/,
  });
  await sender.has(1);
  await client.close({ deadline: 300 });
  await cast;
});
