import ava from 'ava';
import {
  type ConformanceCase,
  conformanceCases,
  type SenderSubject,
  senderConformanceCases,
} from '../../../src/conformance/index.ts';
import type { Server } from '../../support/server.ts';
import { onlyIf } from '../../support/services.ts';
import type { ConformanceSubject } from '../subjects/subject.ts';

// One at a time: some watch the clock, and one restarts a broker.
const test = ava.serial;

/** A broker that is started when it is first asked for, and killed when all tests of the file are over: its data is thrown away. */
export function once<Broker extends Server>(start: () => Promise<Broker>): () => Promise<Broker> {
  let started: Promise<Broker> | undefined;
  ava.after.always(async () => (await started)?.kill());
  return () => {
    started ??= start();
    return started;
  };
}

/** What a broker does that some cases, by their titles, do not allow. */
export interface Broken {
  readonly why: string;
  readonly cases: ReadonlyArray<string>;
}

/**
 * Declares the whole suite for a subject.
 *
 * @param missing why its broker is not here; then every case is skipped for it.
 * @param broken the cases that its broker cannot pass; they are skipped for that.
 */
export function declareCases(
  subject: ConformanceSubject,
  missing: string | undefined,
  broken: readonly Broken[] = [],
): void {
  declare(subject.name, conformanceCases(subject), missing, broken);
}

/** The same for the sending side. */
export function declareSenderCases(
  subject: SenderSubject,
  missing: string | undefined,
  broken: readonly Broken[] = [],
): void {
  declare(`${subject.name} sender`, senderConformanceCases(subject), missing, broken);
}

function declare(
  name: string,
  cases: readonly ConformanceCase[],
  missing: string | undefined,
  broken: readonly Broken[],
): void {
  const reasons = new Map(broken.flatMap(({ why, cases }) => cases.map((title) => [title, why])));
  const unknown = [...reasons.keys()].filter((one) => !cases.some(({ title }) => title === one));
  if (unknown.length > 0) throw new Error(`no such cases: ${unknown.join('; ')}`);
  for (const { title, run, skip } of cases) {
    const reason = skip ?? reasons.get(title);
    const why = missing ?? (reason === undefined ? undefined : `${name}: ${reason}`);
    onlyIf(
      test,
      why === undefined,
      why ?? '',
    )(`${name}: ${title}`, async (t) => {
      await run?.();
      t.pass();
    });
  }
}
