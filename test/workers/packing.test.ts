import test from 'ava';
import fc from 'fast-check';
import { bodyOf } from '../../src/core/span.ts';
import { pack, unpack, withTraces } from '../../src/workers/packing.ts';
import { delivery } from './delivery-support.ts';

test('a packed batch unpacks to the same messages', (t) => {
  const text = fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined });
  const meta = fc.record({
    messageId: text,
    sender: text,
    senderProof: fc.constantFrom(undefined, 'subject' as const, 'user-id' as const),
    compression: text,
    replyTo: text,
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 100 }), meta), { minLength: 1 }), (messages) => {
      const packed = pack(
        'x',
        messages.map(([body, own]) => delivery(body, own)),
        1000,
      );
      const unpacked = unpack(packed);
      t.deepEqual(
        unpacked.map((message) => {
          const { messageId, sender, senderProof, compression, isCall } = message;
          return [bodyOf(message), { messageId, sender, senderProof, compression }, isCall];
        }),
        messages.map(([body, { replyTo, ...own }]) => [Buffer.from(body), { ...own }, replyTo !== undefined]),
      );
    }),
  );
});

test('a body that is too large is passed on as a prefix with its size and digest', (t) => {
  const [small, large] = unpack(
    pack('x', [delivery('small'), delivery(Buffer.alloc(200_000, 'x'), { sender: 'me' })], 100_000),
  );
  t.is(small?.oversize, undefined);
  t.is(large && bodyOf(large).length, 65_536);
  t.is(large?.oversize?.size, 200_000);
  t.is(large?.oversize?.digest.length, 32);
  t.is(large?.sender, 'me');
});

test('the contexts of messages are passed on in their places, and a batch without any carries none', (t) => {
  const trace = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
  const deliveries = [delivery('a'), delivery('b', { trace }), delivery('c')];
  const packed = withTraces(pack('x', deliveries, 1000), deliveries);
  t.deepEqual(
    unpack(packed).map((message) => [bodyOf(message).toString(), message.trace]),
    [
      ['a', undefined],
      ['b', trace],
      ['c', undefined],
    ],
  );
  const plain = pack('x', [delivery('a')], 1000);
  t.is(withTraces(plain, [delivery('a')]), plain);
});

test('only the beginning of a long compression name is passed on', (t) => {
  const [message] = unpack(pack('x', [delivery('{}', { compression: 'x'.repeat(100_000) })], 1000));
  t.is(message?.compression, 'x'.repeat(64));
});
