import test from 'ava';
import { addressOf } from '../../src/workers/calls/run.ts';
import type { RawMessage } from '../../src/workers/raw-message.ts';
import { native, raw, workerSettings } from '../support/worker.ts';

/** Where the answer to a call goes that is not run, in each wire form. */

const settings = workerSettings('postgresql://nobody@127.0.0.1:1/none');
const oslo = (message: object) =>
  raw(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) }));
const address = { replyTo: 'q', id: 'm-1' };

for (const [what, transport, rawMessage, expected] of [
  [
    'oslo names its queue and itself',
    'oslo',
    oslo({ method: 'ping', args: {}, _msg_id: 'm-1', _reply_q: 'q' }),
    address,
  ],
  [
    'Trove’s secure form names them in clear',
    'oslo',
    { ...raw('sealed'), unsealed: { call: address } },
    address,
  ],
  [
    'a native body may name them',
    'plain',
    raw('{"method":"ping","args":{},"reply_to":"q","correlation_id":"m-1"}'),
    address,
  ],
  [
    'beside the property a native body may have an id of its own',
    'plain',
    raw('{"method":"ping","args":{},"correlation_id":"m-1"}', { isCall: true }),
    { replyTo: undefined, id: 'm-1' },
  ],
  ['a native body need not say anything', 'plain', native('ping', {}, { isCall: true }), undefined],
  ['a native body that cannot be read says nothing', 'plain', raw('{', { isCall: true }), undefined],
] satisfies [string, string, RawMessage, unknown][]) {
  test(what, (t) => {
    t.deepEqual(addressOf(rawMessage, transport, settings), expected);
  });
}
