import test from 'ava';
import { warningsOf } from '../../src/core/config/warnings.ts';
import { read } from './support.ts';

test('a session that the broker keeps for less time than adopt.after is warned of', (t) => {
  const warningsWith = (sessionExpiry: number, after: number) => {
    const config = read(`
database: { url: 'postgresql://db' }
transports:
  edge: { kind: mqtt, url: 'mqtt://mq', auth: { mode: subject }, sessionExpiry: ${sessionExpiry} }
adopt: { after: ${after} }`);
    return config.transports.flatMap((transport) => warningsOf(transport, config));
  };
  t.regex(warningsWith(300, 300_000).join(), /^sessionExpiry is not longer than adopt\.after/);
  t.deepEqual(warningsWith(301, 300_000), []);
  t.deepEqual(warningsWith(1, 0), []);
});
