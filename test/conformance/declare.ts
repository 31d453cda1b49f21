import ava from 'ava';
import { endingCases } from '../../src/conformance/ending-cases.ts';
import { faultCases } from '../../src/conformance/fault-cases.ts';
import { conformanceCases } from '../../src/conformance/index.ts';
import { processCases } from '../../src/conformance/process-cases.ts';
import { securityCases } from '../../src/conformance/security-cases.ts';
import { stopSecureBrokers } from '../support/secure-brokers.ts';
import { needs, onlyIf } from '../support/services.ts';
import { known } from './known.ts';
import type { Subject } from './subjects/subject.ts';

/**
 * Declares the same behaviour on every transport, against a real broker: a file for each broker, for a file of all would
 * still run when all others are done.
 *
 * @param part the cases that take long and are run with the tests of faults, or all other cases; both unless told.
 */
export function declareConformance(subjects: readonly Subject[], part?: 'faults' | 'others'): void {
  // One at a time: some watch the clock, and one restarts a broker.
  const test = ava.serial;

  ava.after.always(stopSecureBrokers);

  for (const subject of subjects) {
    const faults = faultTitles(subject);
    for (const { title, run, skip: lacking } of conformanceCases(subject)) {
      if (part !== undefined && faults.has(title) !== (part === 'faults')) continue;
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

/** On RabbitMQ it needs a broker with a bound of its own, as the cases of security do. */
const tooLarge = 'a reply that is too large for the broker is undeliverable, and the session goes on';

/**
 * Those that cut connections, end and freeze replicas, restart the broker, make a session a hundred times, or need a broker of their own:
 * a further RabbitMQ takes 7 CPU s to start.
 */
function faultTitles(subject: Subject): ReadonlySet<string> {
  const cases = [endingCases, faultCases, processCases, securityCases].flatMap((some) => some(subject));
  return new Set([...cases.map(({ title }) => title), tooLarge]);
}
