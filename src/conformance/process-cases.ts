import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  arrive,
  assertSame,
  type ConformanceCase,
  consume,
  expectOnly,
  finish,
  numbered,
  offered,
  publish,
  texts,
  until,
} from './harness.ts';
import type { ReplicaOptions, Subject, Test } from './subject.ts';

/** Milliseconds. A start takes a fraction of a second, and several on a busy machine. */
const patience = 30_000;

/** The broker gives the messages of a killed or frozen replica to the others. */
export function processCases(subject: Subject): ConformanceCase[] {
  const balances = subject.lacks?.balance === undefined;
  return [
    offered(
      subject,
      'processes',
      subject.openForProcesses,
      'the messages that a killed replica held are delivered again',
      async (opened, t) => {
        const killed = await startReplica(t, opened.replica('one', 100), false);
        await publish(opened, 10);
        await until('ten to be held', () => killed.received.length >= 10);
        killed.child.kill('SIGKILL');
        await killed.exited;
        const next = await consume(opened);
        await arrive(next.deliveries, 10);
        assertSame(texts(next.deliveries), numbered(10));
        await finish(next);
        await expectOnly(opened, []);
      },
    ),

    offered(
      subject,
      'processes',
      subject.openForProcesses,
      'a replica that is frozen does not starve the others, and goes on where it was',
      async (opened, t) => {
        const bound = 5;
        const total = 40;
        const frozen = await startReplica(t, opened.replica('two', bound), true);
        const running = await consume(opened);
        frozen.child.kill('SIGSTOP');
        await publish(opened, total);
        // It may have received a few before the signal arrived.
        await arrive(running.deliveries, balances ? total - 2 * bound : total / 2);
        running.session.settle(running.deliveries, 'done');
        frozen.child.kill('SIGCONT');
        const all = () => new Set([...frozen.received, ...texts(running.deliveries)]);
        await until('the rest', () => all().size >= total);
        assertSame([...all()], numbered(total));
        await finish(running);
      },
    ),
  ];
}

interface Replica {
  readonly child: ChildProcess;
  /** The messages that it has reported, oldest first. */
  readonly received: ReadonlyArray<string>;
  readonly exited: Promise<unknown>;
}

async function startReplica(t: Test, options: ReplicaOptions, settles: boolean): Promise<Replica> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const program = fileURLToPath(new URL(`./replica-process.${extension}`, import.meta.url));
  const child = spawn(process.execPath, [program, JSON.stringify({ ...options, settles })], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'close');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  let consuming = false;
  let errors = '';
  let ended = false;
  const received: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk;
  });
  child.once('close', () => {
    ended = true;
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const text = String(JSON.parse(line));
    if (text === 'consuming') consuming = true;
    else received.push(text.slice('delivered '.length));
  });
  await until('the process to consume', () => consuming || ended, patience);
  assert.ok(!ended, `the process has ended: ${errors}`);
  return { child, received, exited };
}
