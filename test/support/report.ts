/**
 * What a run prints of ava's TAP (https://testanything.org): a failure in full, with what its test has logged, as soon as
 * it is known; of what passes no more than the titles, if these are asked for, and the number.
 */

export interface Report {
  /** Takes the next line of TAP. */
  line(text: string): void;
  readonly passed: number;
  readonly skipped: number;
  /** The titles, oldest first. */
  readonly failed: readonly string[];
}

const result = /^(not )?ok \d+ - (.*?)(?: # (SKIP|TODO).*)?$/;
/** At the end of all: the plan and the sums, which we have ourselves. */
const closing = /^(1\.\.\d+|# (tests|pass|skip|fail|todo) \d+)$/;

/** Prints with `print`, line by line; the titles of what passes too, if `titles`. */
export function createReport(print: (text: string) => void, { titles }: { titles: boolean }): Report {
  const report = { line, passed: 0, skipped: 0, failed: [] as string[] };
  // Lines that belong to a failure follow it: its logs, and its error in YAML.
  let inFailure = false;
  function line(text: string): void {
    const [matched, not, title = '', directive] = result.exec(text) ?? [];
    if (matched === undefined) {
      // Of a file that ends before all its tests have, there is no result.
      if ((inFailure && !closing.test(text)) || / remaining in /.test(text)) print(text);
      return;
    }
    inFailure = not !== undefined && directive === undefined;
    if (inFailure) {
      report.failed.push(title);
      print(`✘ ${title}`);
    } else if (directive !== undefined) {
      report.skipped += 1;
    } else {
      report.passed += 1;
      if (titles) print(`✔ ${title}`);
    }
  }
  return report;
}

/** The last lines of a run: the failures once more, by title, and how long it has taken, in milliseconds. */
export function closingLines({ passed, skipped, failed }: Report, exitCode: number, took: number): string[] {
  const aside = skipped === 0 ? '' : `, ${skipped} skipped`;
  if (exitCode === 0) return [`${tests(passed)} passed in ${durationOf(took)}${aside}`];
  const titles = failed.map((title) => `✘ ${title}`);
  return [
    ...titles,
    `failed in ${durationOf(took)}: ${tests(failed.length)} failed, ${passed} passed${aside}`,
  ];
}

function tests(count: number): string {
  return `${count} ${count === 1 ? 'test' : 'tests'}`;
}

/** For example "4 min 12 s". */
export function durationOf(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
