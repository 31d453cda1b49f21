/**
 * A replica as a process of its own, for the suite to kill and to freeze. Its one argument is JSON: ReplicaOptions, and whether it settles
 * its messages. It prints a line once it consumes, and then a line with the body of each message.
 */
import type { TransportKind } from '../core/config/transport-kind.ts';
import { messageOf } from '../core/errors.ts';
import { createTransport, type ReplicaOptions } from './subject.ts';

const [, , argument = ''] = process.argv;
const {
  module,
  exported = 'default',
  options,
  messages,
  replica,
  settles,
}: ReplicaOptions & { settles: boolean } = JSON.parse(argument);

const print = (line: string) => void process.stdout.write(`${JSON.stringify(line)}\n`);

try {
  const loaded: Record<string, TransportKind | undefined> = await import(module);
  const kind = loaded[exported];
  if (kind === undefined) throw new Error(`${module} has no export ${exported}`);
  const session = await createTransport(kind, options, messages, replica).connect((delivery) => {
    print(`delivered ${Buffer.from(delivery.body)}`);
    if (settles) setImmediate(() => delivery.session.settle([delivery], 'done'));
    return true;
  });
  print('consuming');
  await session.closed;
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
