import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { Rejected } from '../../src/core/errors.ts';
import { bufferOf } from '../../src/core/json.ts';
import { codecs, wireForms } from '../../src/core/message/codecs/index.ts';
import { wholeBody } from '../../src/core/span.ts';

const args = fc.dictionary(
  fc.string({ unit: 'grapheme' }).filter((key) => key !== '__proto__' && !key.includes('\0')),
  fc.oneof(
    fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
    fc.integer(),
    fc.boolean(),
  ),
);

for (const form of ['native', 'oslo'] as const) {
  test(`${form}: an encoded message decodes to the same message`, (t) => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), args, (method, given) => {
        const body = wireForms[form].encode({ method, args: given, messageId: 'm1' });
        const envelope = codecs[form].decode(
          wholeBody(bufferOf(body)),
          { messageId: 'm1', isCall: false },
          false,
        );
        t.deepEqual(
          { method: envelope.method, args: envelope.args, messageId: envelope.messageId },
          { method, args: JSON.parse(JSON.stringify(given)), messageId: 'm1' },
        );
      }),
      { numRuns: 200 },
    );
  });
}

interface Captured {
  readonly plain: ReadonlyArray<{ readonly body: string }>;
  readonly call: ReadonlyArray<{ readonly body: string }>;
}

test("oslo: a cast and a call have the same keys as Trove's", (t) => {
  const fixture = new URL('../fixtures/trove-18-oslo-14.json', import.meta.url);
  const { plain, call }: Captured = JSON.parse(readFileSync(fixture, 'utf8'));
  const innerOf = (body: string): Record<string, unknown> => JSON.parse(JSON.parse(body)['oslo.message']);
  for (const [captured, request] of [
    [plain[0], {}],
    [call[0], { call: { replyTo: 'reply_1', correlationId: 'c1' } }],
  ] as const) {
    const body = wireForms.oslo.encode({
      method: 'heartbeat',
      args: { instance_id: 'i1' },
      messageId: 'm1',
      context: { user: 'u1' },
      ...request,
    });
    t.is(JSON.parse(Buffer.from(body).toString())['oslo.version'], '2.0');
    const ours = innerOf(Buffer.from(body).toString());
    t.is(ours._context_user, 'u1');
    const theirs = Object.keys(innerOf(captured?.body ?? '')).filter((key) => !key.startsWith('_context_'));
    t.deepEqual(
      Object.keys(ours).filter((key) => !key.startsWith('_context_')),
      theirs,
    );
  }
});

test('oslo: a failure is an error with its class and message', (t) => {
  const failure = {
    class: 'ModelNotFoundError',
    module: 'trove',
    message: 'gone',
    tb: [],
    args: [],
    kwargs: {},
  };
  const message = { result: null, failure: JSON.stringify(failure), ending: true, _msg_id: 'c1' };
  const envelope = { 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) };
  const body = Buffer.from(JSON.stringify(envelope));
  t.deepEqual(wireForms.oslo.decodeReply({ correlationId: undefined, body }), {
    correlationId: 'c1',
    answer: { error: { class: 'ModelNotFoundError', message: 'gone' } },
  });
});

test('a message without a method name is refused', (t) => {
  for (const form of ['native', 'oslo'] as const)
    t.throws(() => wireForms[form].encode({ method: '', args: {}, messageId: 'm1' }), {
      instanceOf: Rejected,
    });
});
