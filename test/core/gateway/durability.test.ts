import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { pino } from 'pino';
import { ConfigError } from '../../../src/core/errors.ts';
import { Durability } from '../../../src/core/gateway/durability.ts';
import { Supervisor } from '../../../src/core/gateway/supervisor.ts';
import type { Session } from '../../../src/core/transport/contract.ts';
import type { Shortfall } from '../../../src/core/transport/durability.ts';
import { MemoryTransport } from '../../../src/transports/memory/index.ts';
import { waitFor } from '../../support/wait.ts';

const noFsync: Shortfall = { survives: 'process', because: 'fsync is off', raise: 'set fsync = on' };
const noDisk: Shortfall = { survives: 'nothing', because: 'there is no disk', raise: 'buy one' };
const noPeer: Shortfall = {
  survives: 'power',
  because: 'nobody tells of a standby',
  raise: 'look',
  isUnknown: true,
};

/** A session that tells these shortfalls; undefined: it tells nothing. */
async function sessionWith(durability?: ReadonlyArray<Shortfall>): Promise<Session> {
  const session = await new MemoryTransport('memory').connect(() => true);
  return durability === undefined ? session : Object.assign(session, { durability });
}

test('the verdict is the least of the database and of all transports', async (t) => {
  const durability = new Durability({ required: 'nothing', databaseWord: 'unknown', words: new Map() });
  t.is(durability.judgeDatabase([noPeer]), undefined);
  t.is(durability.report.survives, 'power');
  t.is(durability.judgeSession('a', await sessionWith([])), undefined);
  t.is(durability.judgeSession('b', await sessionWith([noFsync, noPeer])), undefined);
  t.is(durability.report.survives, 'process');
  t.is(durability.report.transports.a?.survives, 'failover');
  t.is(durability.report.transports.b?.survives, 'process');
  // The queue was made anew.
  t.is(durability.judgeSession('b', await sessionWith([])), undefined);
  t.is(durability.report.survives, 'power');
});

test('a transport that tells nothing counts for nothing, until the operator says what its broker keeps', async (t) => {
  const silent = await sessionWith();
  const verdict = (words: ReadonlyMap<string, 'power'>) => {
    const durability = new Durability({ required: 'power', databaseWord: 'unknown', words });
    return durability.judgeSession('own', silent);
  };
  t.regex(verdict(new Map()) ?? '', /survives nothing: .* does not tell .* \(find out, .*durability\)$/);
  t.is(verdict(new Map([['own', 'power']])), undefined);
});

test('a refusal names each shortfall that counts, with its remedy, and no other', (t) => {
  const durability = new Durability({ required: 'power', databaseWord: 'unknown', words: new Map() });
  t.is(
    durability.judgeDatabase([noFsync, noPeer, noDisk]),
    'require is power, but a confirmed message survives nothing: fsync is off (set fsync = on); there is no disk (buy one)',
  );
  t.is(
    durability.judgeDatabase([noFsync]),
    'require is power, but a confirmed message survives only process: fsync is off (set fsync = on)',
  );
  t.is(durability.judgeDatabase([noPeer]), undefined);
});

/** A supervisor that refuses sessions while `refusing` holds an error. */
function supervised(refusing: { error: Error | undefined }) {
  const broker = new MemoryTransport('broker');
  const forgotten: Session[] = [];
  const supervisor = new Supervisor({
    transport: broker,
    inlet: { deliver: () => true, forget: (session) => void forgotten.push(session), counters: { held: 0 } },
    admit: () => refusing.error,
    backoff: { base: 1, max: 1 },
    logger: pino({ level: 'silent' }),
  });
  return { broker, forgotten, supervisor };
}

test('a refused session of the first attempt is closed, and the start fails', async (t) => {
  const error = new ConfigError('too little');
  const { broker, forgotten, supervisor } = supervised({ error });
  broker.publish(Buffer.from('a'));
  t.is(await t.throwsAsync(supervisor.start()), error);
  t.is(broker.session, undefined);
  t.is(broker.queue.length, 1);
  t.is(forgotten.length, 1);
});

test('a refused session of a later attempt is closed, and the supervisor tries again', async (t) => {
  const refusing: { error: Error | undefined } = { error: undefined };
  const { broker, supervisor } = supervised(refusing);
  t.teardown(() => supervisor.stop(AbortSignal.abort(), AbortSignal.abort()));
  await supervisor.start();
  refusing.error = new ConfigError('too little');
  broker.session?.end(undefined);
  await waitFor(() => broker.attempts > 3, { what: 'further attempts' });
  t.is(supervisor.lastError, 'too little');
  refusing.error = undefined;
  await waitFor(() => supervisor.state === 'consuming', { what: 'the session to be taken' });
  await turn();
  t.not(broker.session, undefined);
});
