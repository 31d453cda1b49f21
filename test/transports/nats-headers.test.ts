import { readFileSync } from 'node:fs';
import { connect } from '@nats-io/transport-node';
import ava from 'ava';
import fc from 'fast-check';
import { ConfigError } from '../../src/core/errors.ts';
import type { Incoming } from '../../src/transports/nats/read.ts';
import {
  blockOf as blockIn,
  header,
  readHeaders,
  readStatus,
} from '../../src/transports/nats/read-headers.ts';
import { Wire } from '../../src/transports/nats/read-library.ts';
import { needs, service } from '../support/services.ts';
import { hostileBlocks, hostileCalls } from './nats-hostile.ts';
import { blockOf, connectRaw } from './nats-raw.ts';

ava('the reader finds our headers among any others', (t) => {
  const block = blockOf(
    'trace id: 1',
    'Gerät: 1',
    ': empty',
    'no colon',
    'Nats-Msg-Id:  m 1 ',
    'Conductor-Reply-To: _INBOX.a',
    'Conductor-Correlation-Id:c-1',
    'Conductor-Deadline: 12',
    'Conductor-Correlation-Id: second',
    'nats-msg-id: odd case',
    'Nats-Msg-Ids: longer',
  );
  t.deepEqual(readHeaders(block), {
    messageId: 'm 1',
    replyTo: '_INBOX.a',
    correlationId: 'c-1',
    deadline: '12',
  });
  t.deepEqual(readHeaders(blockOf('Nats-Msg-Id: ', 'Conductor-Reply-To:')), {}, 'empty is none');
  t.deepEqual(readHeaders(Buffer.from('NATS/1.0\r\nNats-Msg-Id: cut')), { messageId: 'cut' });
  t.deepEqual(readHeaders(Buffer.from('Nats-Msg-Id: first line\r\n')), {}, 'the first line is no header');
});

ava("only the server's own form is a status", (t) => {
  const status = (line: string) => readStatus(Buffer.from(`${line}\r\n\r\n`));
  t.deepEqual(status('NATS/1.0 404 No Messages'), { code: 404, description: 'No Messages' });
  t.deepEqual(status('NATS/1.0 503'), { code: 503, description: '' });
  t.deepEqual(status('NATS/1.0 100 Idle Heartbeat'), { code: 100, description: 'Idle Heartbeat' });
  t.deepEqual(status('NATS/1.0   409   Message Size Exceeds MaxBytes'), {
    code: 409,
    description: 'Message Size Exceeds MaxBytes',
  });
  const pending = status('NATS/1.0 409 Batch Completed\r\nNats-Pending-Messages: 8\r\nNats-Pending-Bytes: 0');
  t.deepEqual(pending, { code: 409, description: 'Batch Completed', pending: 8 });
  const none = { code: 0, description: '' };
  for (const line of ['NATS/1.0', 'NATS/1.0 what', 'NATS/1.0 4040', 'NATS/1.0 40', 'HTTP/1.0 404 x', ''])
    t.deepEqual(status(line), none, line);
  t.deepEqual(readStatus(undefined), none);
});

ava('for any bytes the reader does not throw', (t) => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  const named = fc.tuple(fc.constantFrom(...Object.values(header)), fc.constantFrom(':', '', ': '), bytes);
  const lines = fc.array(
    fc.oneof(
      bytes,
      named.map(([name, colon, value]) => Buffer.concat([Buffer.from(`${name}${colon}`), value])),
    ),
  );
  const check = (block: Buffer) => {
    for (const value of Object.values(readHeaders(block))) t.true(value !== '' && value === value.trim());
    const { code } = readStatus(block);
    t.true(code >= 0 && code < 1000);
  };
  fc.assert(fc.property(bytes.map(Buffer.from), check), { numRuns: 2000 });
  fc.assert(
    fc.property(lines, (all) => check(blockOf(...all))),
    { numRuns: 2000 },
  );
  for (const make of [...Object.values(hostileBlocks), ...Object.values(hostileCalls)]) check(make(1));
});

ava('the installed version of the library has the internals that our code uses', (t) => {
  for (const name of ['nats-core', 'transport-node', 'jetstream']) {
    // Whoever moves to another version looks at inside.ts first: at `MsgImpl`, at `Parser.parse` and at who prints.
    const manifest = new URL(`../../node_modules/@nats-io/${name}/package.json`, import.meta.url);
    t.regex(readFileSync(manifest, 'utf8'), /"version": "3\.4\.\d+"/);
  }
  const other = Object.create(null);
  t.throws(() => new Wire(other), { instanceOf: ConfigError, message: /install 3\.4/ });
});

needs(ava, 'nats')('a header block arrives byte for byte, and a message without one has none', async (t) => {
  const wire = new Wire(await connect({ servers: service('nats').url, reconnect: false }));
  t.teardown(() => wire.connection.close());
  const client = await connectRaw();
  t.teardown(async () => client.end());
  const blocks: (Buffer | undefined)[] = [];
  const take = (message: Incoming) => {
    const block = blockIn(message);
    blocks.push(block === undefined ? undefined : Buffer.from(block));
  };
  wire.subscribe('block', take, (error) => t.fail(error.message));
  await wire.connection.flush();
  const block = blockOf('trace id: 1', Buffer.from([0xff, 0, 0x0d]));
  client.publish('block', Buffer.from('x'), block);
  client.publish('block', Buffer.from('x'));
  client.publish('block', Buffer.alloc(0), block);
  await client.flush();
  await wire.connection.flush();
  t.deepEqual(blocks, [block, undefined, block]);
});
