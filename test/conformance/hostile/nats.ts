import { randomUUID } from 'node:crypto';
import { waitFor } from '../../support/wait.ts';
import { hostileBlocks, hostileCalls, largeBlock, streamTakes } from '../../transports/nats-hostile.ts';
import { blockOf, connectRaw } from '../../transports/nats-raw.ts';

const blocks: Readonly<Record<string, (number: number) => Buffer>> = {
  ...hostileBlocks,
  ...hostileCalls,
  'a block as large as a stream takes': () => largeBlock(streamTakes),
  'a block as large as the server takes': () => largeBlock(900_000),
  '10,000 headers': () => blockOf(...Array.from({ length: 10_000 }, (_, number) => `a${number % 10}:`)),
};

/** Messages that no client library writes, each from a connection of its own. */
export function hostileMessages(port: number, subject: string): Record<string, () => Promise<boolean>> {
  const send = (block: Buffer) => async () => {
    const client = await connectRaw(port);
    try {
      const inbox = `_INBOX.${randomUUID()}`;
      let answer: string | undefined;
      client.subscribe(inbox, ({ body }) => {
        answer = body.toString();
      });
      client.publish(subject, Buffer.from('hostile'), block, inbox);
      await client.flush();
      const text = await waitFor(() => answer, { what: "the stream's answer", interval: 2 });
      const { error }: { error?: unknown } = JSON.parse(text);
      return error === undefined;
    } finally {
      client.end();
    }
  };
  return Object.fromEntries(
    Object.entries(blocks).map(([what, make], number) => [what, send(make(number))] as const),
  );
}
