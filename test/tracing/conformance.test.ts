import test from 'ava';
import { conformanceCases } from '../../src/conformance/index.ts';
import { memory } from '../conformance/subjects/memory.ts';
import { registerSdk, tracingHere } from './sdk.ts';

/** A transport whose messages have spans passes what it passes without them. */

registerSdk();
const tracing = tracingHere();
const subject: typeof memory = {
  ...memory,
  async open(...options) {
    const opened = await memory.open(...options);
    return { ...opened, transport: (...more) => tracing.transport(opened.transport(...more)) };
  },
};

for (const { title, run, skip } of conformanceCases(subject))
  if (skip === undefined)
    test.serial(`with spans: ${title}`, async (t) => {
      await run?.();
      t.pass();
    });
