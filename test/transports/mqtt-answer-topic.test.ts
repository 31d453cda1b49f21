import test from 'ava';
import { soon } from '../../src/conformance/harness.ts';
import { Undeliverable } from '../../src/core/errors.ts';
import { make } from '../conformance/subjects/subject.ts';
import { needs, service } from '../support/services.ts';

needs(test, 'mosquitto')(
  'mqtt: an answer goes only to topics that answerTopic allows, and a notification to the configured topic',
  async (t) => {
    const { url } = service('mosquitto');
    const session = await make('mqtt', { url, answerTopic: 'services/+/answers' }, 10).connect(() => true);
    t.teardown(() => session.stop(soon()));
    const answerTo = (name: string) =>
      session.publish({ to: { kind: 'reply', name }, body: Buffer.from('{}') });
    for (const name of ['conductor-replies/a', 'services/answers', 'services/a/answers/b'])
      await t.throwsAsync(answerTo(name), {
        instanceOf: Undeliverable,
        message: `no answer may go to ${name}`,
      });
    await t.notThrowsAsync(answerTo('services/a/answers'));
    await t.notThrowsAsync(
      session.publish({ to: { kind: 'topic', name: 'notifications' }, body: Buffer.from('{}') }),
    );
  },
);
