import ava from 'ava';
import { conformanceCases } from '../../src/conformance/index.ts';
import { stopSecureBrokers } from '../support/secure-brokers.ts';
import { needs, onlyIf } from '../support/services.ts';
import { known } from './known.ts';
import { subjects } from './subjects/index.ts';

/** The same behaviour on every transport, against a real broker. */

// One at a time: some watch the clock, and one restarts a broker.
const test = ava.serial;

ava.after.always(stopSecureBrokers);

for (const subject of subjects) {
  for (const { title, run, skip: lacking } of conformanceCases(subject)) {
    const skip = lacking ?? known[`${subject.name}: ${title}`];
    const declare =
      skip === undefined ? needs(test, subject.needs) : onlyIf(test, false, `${subject.name}: ${skip}`);
    declare(`${subject.name}: ${title}`, async (t) => {
      await run?.();
      t.pass();
    });
  }
}
