import ava from 'ava';
import { conformanceCases } from '../../src/conformance/index.ts';
import { stopSecureBrokers } from '../support/secure-brokers.ts';
import { needs, onlyIf } from '../support/services.ts';
import { known } from './known.ts';
import type { Subject } from './subjects/subject.ts';

/**
 * Declares the same behaviour on every transport, against a real broker: a file for each broker, for a file of all would
 * still run when all others are done.
 */
export function declareConformance(subjects: readonly Subject[]): void {
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
}
