import test from 'ava';
import { pino } from 'pino';
import { soon } from '../../src/conformance/harness.ts';
import { Undeliverable } from '../../src/core/errors.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { make } from '../conformance/subjects/subject.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { needs } from '../support/services.ts';

needs(test, 'mosquitto')(
  "mqtt 5: a publish above the broker's maximum packet size is not sent, because the broker would end the connection",
  async (t) => {
    const broker = await startMosquitto({ settings: ['max_packet_size 20000'] });
    t.teardown(broker.stop);
    const session = await make('mqtt', { url: broker.url }, 10).connect(() => true);
    t.teardown(() => session.stop(soon()));
    const to = { kind: 'reply', name: 'caller' } as const;
    const answer = (bytes: number) =>
      session.publish({ to, body: Buffer.alloc(bytes), correlationId: 'c-1' });
    await t.throwsAsync(answer(20_000), { instanceOf: Undeliverable, message: /20000 bytes/ });
    await answer(19_900);

    const logger = pino({ level: 'silent' });
    const sender = await transportKinds.mqtt
      ?.configure('mqtt', { kind: 'mqtt', url: broker.url })
      .createSender({ clientName: 'test', logger })
      .connect(() => {});
    t.teardown(async () => sender?.stop(soon()));
    const send = (bytes: number) =>
      sender?.send({ sender: 'guest', messageId: 'm-1', body: Buffer.alloc(bytes, ' ') });
    await t.throwsAsync(async () => send(20_000), { instanceOf: Undeliverable, message: /20000 bytes/ });
    await t.notThrowsAsync(async () => send(19_800));
  },
);
