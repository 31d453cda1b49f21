import ava from 'ava';
import { senderConformanceCases } from '../../src/conformance/index.ts';
import { needs, onlyIf } from '../support/services.ts';
import { known } from './known.ts';
import { senders } from './senders/index.ts';

/** The same behaviour of every sending side, against a real broker. */

// One at a time: some watch the clock, and what is open in the process.
const test = ava.serial;

for (const subject of senders) {
  for (const { title, run, skip: lacking } of senderConformanceCases(subject)) {
    const skip = lacking ?? known[`${subject.name} sender: ${title}`];
    const declare =
      skip === undefined
        ? needs(test, subject.needs)
        : onlyIf(test, false, `${subject.name} sender: ${skip}`);
    declare(`${subject.name} sender: ${title}`, async (t) => {
      await run?.();
      t.pass();
    });
  }
}
