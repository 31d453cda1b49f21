/**
 * What a run prints of what ava prints: a failure as soon as it is known, with what its test has logged, and in full at the
 * end; of what passes no more than the titles, if these are asked for, and the number.
 */
import { stripVTControlCharacters } from 'node:util';

export interface Report {
  /** Takes the next line of ava's. */
  line(text: string): void;
  /** The last lines, with how long it took, in milliseconds. */
  end(exitCode: number, took: number): void;
}

/** The marks differ between terminals. */
const passed = /^ {2}[✔√] /;
const skipped = /^ {2}- \[skip\] /;
const failed = /^ {2}[✘×] /;
/** Of a test: figures, on one line or several. */
const logged = /^ {4}/;
/** Behind it come all failures in full, and the sums. */
const rule = /^ {2}─+$/;

/** Prints with `print`, line by line; the titles of what passes too, if `titles`. */
export function createReport(print: (text: string) => void, { titles }: { titles: boolean }): Report {
  const counts = { passed: 0, skipped: 0 };
  let ofPassed = false;
  let closing: string[] | undefined;
  return {
    line: (text) => {
      const plain = stripVTControlCharacters(text);
      if (closing !== undefined || rule.test(plain)) {
        closing ??= [];
        closing.push(text);
        return;
      }
      if (ofPassed && logged.test(plain)) return;
      const aside = skipped.test(plain);
      ofPassed = passed.test(plain);
      if (ofPassed) counts.passed += 1;
      if (aside) counts.skipped += 1;
      if (plain.trim() !== '' && (titles || failed.test(plain) || !(ofPassed || aside))) print(text);
    },
    end: (exitCode, took) => {
      const asides = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`;
      if (exitCode !== 0) for (const text of closing ?? []) print(text);
      const what =
        exitCode === 0 ? `${counts.passed} ${counts.passed === 1 ? 'test' : 'tests'} passed` : 'failed';
      print(`${what} in ${durationOf(took)}${asides}`);
    },
  };
}

/** For example "4 min 12 s". */
export function durationOf(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
