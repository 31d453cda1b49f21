import test from 'ava';
import { ConfigError } from '../../src/core/errors.ts';
import { configure } from './nats-support.ts';

const url = 'nats://localhost:4222';

/** The line that refuses a subject; undefined if nothing does. */
function refusalOf(subject: string, mode: 'none' | 'subject'): string | undefined {
  try {
    configure({ url, subject, auth: { mode } });
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

test('a subject without a place for the sender is refused, and the error names the key', (t) => {
  for (const mode of ['none', 'subject'] as const) {
    for (const subject of ['a.*.x.*', '*.a', 'a.>.b', 'a.*.report', '*.*', 'a.i*', 'a.>x', 'a.**', '>.*'])
      t.regex(refusalOf(subject, mode) ?? '', /^transports\.nats\.subject: must/, `${subject} with ${mode}`);
  }
});

test('with auth.mode subject the last token must be the sender, and no other token', (t) => {
  for (const subject of ['conductor.*', 'a.b.c.*', '*', 'a-b_c.*'])
    t.is(refusalOf(subject, 'subject'), undefined, subject);
  for (const subject of ['conductor.>', '>', 'conductor', 'conductor.report'])
    t.regex(
      refusalOf(subject, 'subject') ?? '',
      /^transports\.nats\.subject: .*auth\.mode subject.*conductor\.\*/,
    );
});

test('without auth.mode subject a subject may be a name or a tree of names', (t) => {
  for (const subject of ['conductor', 'conductor.report', 'conductor.*', 'conductor.>', '>'])
    t.is(refusalOf(subject, 'none'), undefined, subject);
});
