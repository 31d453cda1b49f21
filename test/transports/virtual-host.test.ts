import test from 'ava';
import { ConfigError } from '../../src/core/errors.ts';
import { make } from '../conformance/subjects/subject.ts';

for (const kind of ['amqp091', 'amqp10']) {
  test(`${kind}: a virtual host with an invalid escape is a configuration error, and not tried again`, (t) => {
    t.throws(() => make(kind, { url: 'amqp://127.0.0.1/50%' }, 1), {
      instanceOf: ConfigError,
      message: /url: must have a % in its .*written as %25/,
    });
  });
}
