import type { TestFn } from 'ava';

/** The part of ava's `t` that is used here. */
export interface Owner {
  teardown(end: () => Promise<unknown>): void;
}

/**
 * Makes something once for all tests of a file, when the first of them asks for it. A conductor takes half a second of CPU to start. What
 * `make` tears down ends after the last test, the newest first.
 */
export function shared<Made>(test: TestFn, make: (owner: Owner) => Promise<Made>): () => Promise<Made> {
  const ends: (() => Promise<unknown>)[] = [];
  let made: Promise<Made> | undefined;
  test.after.always('the things that the tests share end', async () => {
    const problems: unknown[] = [];
    // One that fails keeps no other from its end.
    for (const end of ends.reverse()) await end().catch((error: unknown) => problems.push(error));
    if (problems.length > 0) throw new AggregateError(problems, 'what the tests share did not end in order');
  });
  return () => {
    made ??= make({ teardown: (end) => void ends.push(end) });
    return made;
  };
}
