import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { soon } from '../../src/conformance/harness.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { credentialsOf } from '../../src/core/transport/security.ts';
import { make } from '../conformance/subjects/subject.ts';
import { needs, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const noTls = { ca: '', cert: '', key: '', serverName: '', verify: true };

function passwordFile(text: string): string {
  const file = join(temporaryDirectory('password'), 'password');
  writeFileSync(file, text);
  return file;
}

test('the password file is read at each connection', (t) => {
  const file = passwordFile('first\n');
  const options = { user: 'conductor', password: 'first', passwordFile: file, tls: noTls };
  const url = 'amqp://other:in-url@mq';
  t.deepEqual(credentialsOf(options, url), { user: 'conductor', password: 'first' });
  writeFileSync(file, 'second\r\nnot read');
  t.deepEqual(credentialsOf(options, url), { user: 'conductor', password: 'second' });
  writeFileSync(file, '');
  t.throws(() => credentialsOf(options, url), {
    instanceOf: ConfigError,
    message: `passwordFile: ${file} is empty`,
  });
});

for (const kind of ['amqp091', 'amqp10'] as const) {
  needs(test, 'rabbitmq')(`${kind}: a changed password is used from the next connection on`, async (t) => {
    const broker = service('rabbitmq');
    const name = `password-${randomUUID()}`;
    const url = new URL(await broker.createVhost(name));
    t.teardown(() => broker.deleteVhost(name));
    const file = passwordFile(`${name}\n`);
    url.password = '';
    // The other protocol of RabbitMQ makes no queue.
    const maker = await make('amqp091', { url: url.href, passwordFile: file }, 1).connect(() => false);
    await maker.stop(soon());
    const transport = make(kind, { url: url.href, passwordFile: file }, 1);
    const session = await transport.connect(() => false);
    await broker.request('PUT', `/users/${name}`, { password: 'another-one', tags: '' });
    await broker.closeAllConnections(name);
    t.true((await session.closed) instanceof Error);
    await t.throwsAsync(
      transport.connect(() => false),
      { message: /passwordFile/ },
    );
    writeFileSync(file, 'another-one\n');
    const next = await transport.connect(() => false);
    await next.stop(soon());
  });
}
