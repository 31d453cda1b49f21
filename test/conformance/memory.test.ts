import test from 'ava';
import { conformanceCases } from '../../src/conformance/index.ts';
import { onlyIf } from '../support/services.ts';
import { memory } from './subjects/memory.ts';

/** The transport that is a broker itself passes what the others do. */

for (const { title, run, skip } of conformanceCases(memory)) {
  const declare = skip === undefined ? test.serial : onlyIf(test.serial, false, `memory: ${skip}`);
  declare(`memory: ${title}`, async (t) => {
    await run?.();
    t.pass();
  });
}
