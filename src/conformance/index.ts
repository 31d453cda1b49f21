/**
 * What every transport has to do, to be run against a real broker with any test runner: `conductor-gateway/conformance`.
 * docs/transports.md shows how.
 */
import { callCases } from './call-cases.ts';
import { deliveryCases } from './delivery-cases.ts';
import { faultCases } from './fault-cases.ts';
import type { ConformanceCase } from './harness.ts';
import { processCases } from './process-cases.ts';
import { securityCases } from './security-cases.ts';
import type { Subject } from './subject.ts';

export type { ConformanceCase } from './harness.ts';
export type {
  Callers,
  Network,
  Offer,
  Opened,
  ReplicaOptions,
  Secured,
  Subject,
  Test,
} from './subject.ts';
export { createTransport } from './subject.ts';

/** The cases for a transport, those that it is excused from with their reason. Run them one at a time: some watch the clock. */
export function conformanceCases(subject: Subject): ReadonlyArray<ConformanceCase> {
  return [deliveryCases, callCases, faultCases, processCases, securityCases].flatMap((cases) =>
    cases(subject),
  );
}
