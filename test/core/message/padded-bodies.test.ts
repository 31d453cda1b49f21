import test from 'ava';
import { textOf } from '../../../src/core/json.ts';
import { type CodecName, codecs } from '../../../src/core/message/codecs/index.ts';
import { wholeBody } from '../../../src/core/span.ts';
import { rejection } from '../rejection.ts';

/** What some senders put around a text: a byte order mark before it, NULs behind it. */

const args = '{"instance_id": "g"}';
const inner = `{"method": "report_root", "args": ${args}, "_context_user": "u", "_context_roles": []}`;
const bodies: Readonly<Record<CodecName, string>> = {
  native: `{"method": "report_root", "args": ${args}, "context": {"user": "u"}}`,
  oslo: JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': inner }),
  cloudevents: `{"specversion": "1.0", "id": "1", "source": "/g", "type": "report_root", "user": "u", "data": ${args}}`,
};

const mark = [0xef, 0xbb, 0xbf];
const paddings: ReadonlyArray<readonly [what: string, before: number[], behind: number[]]> = [
  ['a NUL behind it', [], [0]],
  ['many NULs behind it', [], Array.from({ length: 1000 }, () => 0)],
  ['a line end and a NUL behind it', [], [0x0a, 0]],
  ['a NUL and a line end behind it, and a NUL', [], [0, 0x0d, 0x0a, 0]],
  ['a byte order mark before it', mark, []],
  ['a byte order mark before it and a NUL behind it', mark, [0]],
];

for (const name of ['native', 'oslo', 'cloudevents'] as const) {
  for (const [what, before, behind] of paddings) {
    for (const whole of [false, true]) {
      test(`a body in ${name} form with ${what} is accepted, ${whole ? 'with' : 'without'} its context`, (t) => {
        const body = Buffer.concat([Buffer.from(before), Buffer.from(bodies[name]), Buffer.from(behind)]);
        const envelope = codecs[name].decode(wholeBody(body), { messageId: undefined, isCall: false }, whole);
        t.is(envelope.method, 'report_root');
        t.deepEqual(envelope.args, { instance_id: 'g' });
        if (whole) t.is(envelope.context?.user, 'u');
      });
    }
  }
}

test('no other bytes are stripped', (t) => {
  t.is(textOf(Buffer.from(' {} \n')), ' {} \n');
  t.is(textOf(Buffer.from('\ufeff\ufeff{}')), '\ufeff{}');
  t.is(textOf(Buffer.from('\0{}\0')), '\0{}');
});

test('a body of NULs alone is an empty body', (t) => {
  for (const body of [[0], [0, 0], [...mark], [...mark, 0]]) {
    t.is(
      rejection(() => textOf(Uint8Array.from(body))),
      'empty: the body is empty',
    );
  }
  t.regex(
    rejection(() => textOf(Uint8Array.from(mark.slice(0, 2)))),
    /^not_utf8/,
  );
});
