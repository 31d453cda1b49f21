/**
 * `conductor-gateway/conformance`: the duties of every transport. Run them against a real broker with any test runner. docs/transports.md
 * shows how.
 */
import { boundCases } from './bound-cases.ts';
import { callCases } from './call-cases.ts';
import { deliveryCases } from './delivery-cases.ts';
import { endingCases } from './ending-cases.ts';
import { faultCases } from './fault-cases.ts';
import type { ConformanceCase } from './harness.ts';
import { hostileCases } from './hostile-cases.ts';
import { processCases } from './process-cases.ts';
import { redeliveryCases } from './redelivery-cases.ts';
import { securityCases } from './security-cases.ts';
import { senderCases } from './sender-cases.ts';
import { senderEndingCases } from './sender-ending-cases.ts';
import type { SenderSubject } from './sender-subject.ts';
import type { Subject } from './subject.ts';

export type { ConformanceCase } from './harness.ts';
export type { OpenedSender, SenderOffer, SenderSubject } from './sender-subject.ts';
export { createSender } from './sender-subject.ts';
export type {
  Callers,
  Deletion,
  Hostile,
  Network,
  Offer,
  Opened,
  ReplicaOptions,
  Secured,
  Subject,
  Test,
} from './subject.ts';
export { createTransport } from './subject.ts';

/** The cases for a transport. Those that it is excused from have their reason. Run them one at a time: some measure time. */
export function conformanceCases(subject: Subject): ReadonlyArray<ConformanceCase> {
  return [
    deliveryCases,
    boundCases,
    callCases,
    hostileCases,
    redeliveryCases,
    endingCases,
    faultCases,
    processCases,
    securityCases,
  ].flatMap((cases) => cases(subject));
}

/** The cases for the sending side of a transport. Its own receiving side listens. */
export function senderConformanceCases(subject: SenderSubject): ReadonlyArray<ConformanceCase> {
  return [senderCases, senderEndingCases].flatMap((cases) => cases(subject));
}
