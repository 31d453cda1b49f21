import test from 'ava';
import fc from 'fast-check';
import { openingBytes, openingNames } from '../../src/workers/postgres/opening.ts';

interface Message {
  readonly type: string;
  readonly content: Buffer;
}

/** Takes the messages of the extended protocol apart, by their lengths (PostgreSQL manual, 55.7). */
function messagesIn(bytes: Uint8Array): Message[] {
  const all = Buffer.from(bytes);
  const messages: Message[] = [];
  for (let at = 0; at < all.length; ) {
    const end = at + 1 + all.readInt32BE(at + 1);
    messages.push({ type: all.toString('latin1', at, at + 1), content: all.subarray(at + 5, end) });
    at = end;
  }
  return messages;
}

/** The name of the statement that a Bind message executes, and its parameters. */
function boundBy(content: Buffer): { name: string; values: string[] } {
  const nameEnd = content.indexOf(0, 1);
  // Behind the name: the number of format codes, which is 0.
  let at = nameEnd + 5;
  const values = Array.from({ length: content.readInt16BE(nameEnd + 3) }, () => {
    const begin = at + 4;
    at = begin + content.readInt32BE(at);
    return content.toString('utf8', begin, at);
  });
  return { name: content.toString('latin1', 1, nameEnd), values };
}

test('an opening binds and executes BEGIN and the settings, with any values in UTF-8', (t) => {
  const value = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ maxLength: 1000, size: 'max' }));
  const property = fc.property(fc.array(value, { maxLength: 20 }), (values) => {
    const messages = messagesIn(openingBytes(values));
    t.deepEqual(
      messages.map(({ type }) => type),
      ['B', 'E', 'B', 'E'],
    );
    const [begin, , settings] = messages.map(({ type, content }) => type === 'B' && boundBy(content));
    t.deepEqual(begin, { name: openingNames.begin, values: [] });
    t.deepEqual(settings, { name: openingNames.settings, values });
  });
  fc.assert(property, { numRuns: 200 });
});
