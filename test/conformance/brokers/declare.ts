import ava from 'ava';
import { conformanceCases } from '../../../src/conformance/index.ts';
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

/** Declares the whole suite for a subject. @param missing why its broker is not here; then every case is skipped for it. */
export function declareCases(subject: ConformanceSubject, missing: string | undefined): void {
  for (const { title, run, skip } of conformanceCases(subject)) {
    const why = missing ?? (skip === undefined ? undefined : `${subject.name}: ${skip}`);
    onlyIf(
      test,
      why === undefined,
      why ?? '',
    )(`${subject.name}: ${title}`, async (t) => {
      await run?.();
      t.pass();
    });
  }
}
