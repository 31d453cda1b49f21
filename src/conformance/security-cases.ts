import assert from 'node:assert/strict';
import { ConfigError, NotConnected } from '../core/errors.ts';
import {
  arrive,
  assertSame,
  type ConformanceCase,
  consume,
  finish,
  numbered,
  offered,
  publish,
  texts,
} from './harness.ts';
import type { Subject } from './subject.ts';

/** The identity of the broker, and ours. */
export function securityCases(subject: Subject): ConformanceCase[] {
  return [
    offered(
      subject,
      'tls',
      subject.openSecure,
      'over TLS, with a client certificate and credentials, messages arrive',
      async (opened) => {
        const consumer = await consume(opened);
        await publish(opened, 3);
        await arrive(consumer.deliveries, 3);
        assertSame(texts(consumer.deliveries), numbered(3));
        await finish(consumer);
      },
    ),
    offered(
      subject,
      'tls',
      subject.openSecure,
      'a wrong certificate, name or password gives one line that names the fault',
      async ({ refusals }) => {
        for (const [what, { transport, says, mayBeCut = false }] of Object.entries(refusals)) {
          const error: unknown = await transport
            .connect(() => true)
            .then(
              () => assert.fail(`${what}: it connects`),
              (reason: unknown) => reason,
            );
          const isCut = mayBeCut && error instanceof NotConnected;
          assert.ok(error instanceof ConfigError || isCut, `${what}: ${error}`);
          assert.match(error.message, says, `${what}: ${error.message}`);
          assert.doesNotMatch(error.message, /\n/, what);
        }
      },
    ),
  ];
}
