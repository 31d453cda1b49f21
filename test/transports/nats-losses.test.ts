import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import test from 'ava';
import { ConfigError } from '../../src/core/errors.ts';
import {
  checkConsumer,
  checkStream,
  countSettled,
  type StreamFacts,
  warnOfServer,
} from '../../src/transports/nats/losses.ts';

/** What is asked of streams and consumers that the server of the tests may be too old to make. */

const options = {
  stream: 'S',
  consumer: 'c',
  subject: 'a.*',
  ackWait: 10_000,
  expectedReplicas: 1,
};

const streamConfig: StreamFacts['config'] = {
  subjects: ['a.*'],
  retention: RetentionPolicy.Workqueue,
  discard: DiscardPolicy.New,
  storage: StorageType.File,
  no_ack: false,
  max_age: 0,
  max_msgs: -1,
  max_bytes: -1,
  max_msgs_per_subject: -1,
};

const consumerConfig: ConsumerConfig = {
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  replay_policy: ReplayPolicy.Instant,
  ack_wait: nanos(10_000),
  max_deliver: -1,
  filter_subject: 'a.*',
};

const streamWith = (more: Partial<StreamFacts['config']>) => ({ ...streamConfig, ...more });

/** The lines that are written about a consumer. */
function linesAbout(more: Partial<ConsumerConfig>, paused?: boolean, kept = ['a.*']): string[] {
  const lines: string[] = [];
  const facts = { config: { ...consumerConfig, ...more }, ...(paused !== undefined && { paused }) };
  checkConsumer(facts, kept, options, 100, (fields, text) => lines.push(`${JSON.stringify(fields)} ${text}`));
  return lines;
}

test('a consumer with the right configuration logs no line', (t) => {
  t.deepEqual(linesAbout({}), []);
  t.deepEqual(linesAbout({ priority_groups: [], mem_storage: false }, false), []);
});

test('a consumer with priority groups is refused', (t) => {
  t.throws(() => linesAbout({ priority_groups: ['jobs'] }), {
    instanceOf: ConfigError,
    message: /consumer c of stream S has priority_groups jobs.*: make it with no priority_groups/,
  });
});

test('the session warns of a paused consumer, and says how to resume it', (t) => {
  const lines = linesAbout({ pause_until: '2030-01-01T00:00:00Z' }, true);
  t.is(lines.length, 1);
  t.regex(lines.join(), /2030-01-01T00:00:00Z.*is paused.*nats consumer resume S c/);
});

test('the session warns of a consumer without a filter only if the stream keeps other subjects', (t) => {
  t.deepEqual(linesAbout({ filter_subject: '' }), []);
  const lines = linesAbout({ filter_subject: '' }, false, ['a.*', 'b.>']);
  t.is(lines.length, 1);
  t.regex(lines.join(), /"subjects":\["b\.>"\].*make it with filter_subject a\.\*/);
});

test('the session warns of a consumer that drops or skips messages', (t) => {
  t.regex(linesAbout({ mem_storage: true }).join(), /mem_storage: make it with mem_storage false/);
  t.regex(
    linesAbout({ deliver_policy: DeliverPolicy.New }).join(),
    /"new".*deliver_policy: make it with all/,
  );
});

test('the session warns of a work queue that is mirrored', (t) => {
  const lines: string[] = [];
  const warn = (fields: object, text: string) => lines.push(`${JSON.stringify(fields)} ${text}`);
  const alternates = [{ name: 'S' }, { name: 'M' }];
  checkStream({ config: streamWith({}), alternates }, options, true, warn);
  t.regex(lines.join(), /"mirrors":\["M"\].*delete the mirrors/);
  lines.length = 0;
  checkStream({ config: streamWith({}), alternates: alternates.slice(0, 1) }, options, true, warn);
  checkStream({ config: streamWith({ retention: RetentionPolicy.Limits }), alternates }, options, true, warn);
  t.deepEqual(lines, []);
});

test('the session warns of a replicated stream only on a server before 2.9.16', (t) => {
  const linesOn = (version: string, replicas = 3) => {
    const lines: string[] = [];
    warnOfServer({ name: 'S', num_replicas: replicas }, version, (fields, text) =>
      lines.push(`${JSON.stringify(fields)} ${text}`),
    );
    return lines;
  };
  t.regex(linesOn('2.9.10').join(), /"stream":"S","version":"2\.9\.10".*use nats-server 2\.9\.16 or later/);
  for (const older of ['2.9.15', '2.8.99', '1.10.20', '2.9.0-beta.1']) t.is(linesOn(older).length, 1, older);
  for (const newer of ['2.9.16', '2.9.25', '2.10.0', '2.15.3', '3.0.0', ''])
    t.deepEqual(linesOn(newer), [], newer);
  t.deepEqual(linesOn('2.9.10', 1), []);
});

test('settled messages are counted only on streams that should keep none', (t) => {
  const remains = {
    consumer: {
      config: consumerConfig,
      ack_floor: { stream_seq: 50, consumer_seq: 60 },
      num_pending: 10,
      num_ack_pending: 5,
    },
    stream: { config: streamWith({}), state: { messages: 22, first_seq: 40, consumer_count: 1 } },
  };
  const { consumer, stream } = remains;
  const state = (more: object) => ({ consumer, stream: { ...stream, state: { ...stream.state, ...more } } });
  const config = (more: Partial<StreamFacts['config']>) => ({
    consumer,
    stream: { ...stream, config: streamWith(more) },
  });
  t.is(countSettled(remains), 7);
  t.is(countSettled(config({ retention: RetentionPolicy.Interest })), 7);
  t.is(countSettled(config({ retention: RetentionPolicy.Limits })), 0);
  t.is(countSettled(config({ subjects: ['a.*', 'b.*'] })), 0, 'they may be for another consumer');
  t.is(countSettled(state({ consumer_count: 2 })), 0, 'they may be for another consumer');
  t.is(countSettled(state({ first_seq: 51 })), 0);
  t.is(countSettled(state({ messages: 0, first_seq: 1 })), 0);
  t.is(countSettled(state({ messages: 15 })), 1, 'there is one at least');
  t.is(countSettled(state({ messages: 90 })), 11, 'what has come since is none');
  const all = { ...consumer, config: { ...consumerConfig, filter_subject: '' } };
  t.is(countSettled({ consumer: all, stream }), 7);
});
