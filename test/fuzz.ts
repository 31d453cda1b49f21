/**
 * `node test/fuzz.ts bodies 10` and `node test/fuzz.ts properties 10`: changed messages for so many minutes, against the readers of bodies, or
 * of properties. A reader must not throw, and must not take long. A message that reaches new code is changed further. Prints the messages, the
 * longest time of one, the code that ran, and the seed. The exit code is 1 after a fault, with the bytes in base64.
 */
import { messageOf } from '../src/core/errors.ts';
import { randomOf } from './faults/harness/random.ts';
import { CoverageGuide, changed, type Guided } from './fuzzing/coverage-guide.ts';
import { maxBody, type Target, targets } from './fuzzing/targets.ts';

/** Every so many messages are blown up to `maxBody`. */
const largeEvery = 50;
/** Milliseconds. A message that took longer is read again, up to four times, and the least time counts. */
const suspicious = 20;

/** Milliseconds of CPU that this thread has used: a reading of a busy machine too. */
function cpu(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** The message again and again, up to `maxBody`. */
function blownUp(bytes: Buffer): Buffer {
  const most = Math.ceil(maxBody / Math.max(1, bytes.length));
  return Buffer.concat(new Array<Buffer>(most).fill(bytes)).subarray(0, maxBody);
}

const [what = '', minutes = '10', seed = String(Date.now())] = process.argv.slice(2);
const chosen = targets[what];
if (chosen === undefined) throw new Error(`the first argument is one of ${Object.keys(targets).join(', ')}`);
const random = randomOf(seed);
let count = 0;
let largeCount = 0;
let slowest = 0;
let slowestName = '';
let slowestLarge = 0;

function timed({ name, read }: Target): (bytes: Buffer) => void {
  return (bytes) => {
    count += 1;
    const begin = cpu();
    try {
      read(bytes);
    } catch (error) {
      process.stdout.write(
        `${what}: a fault after ${count} messages, seed ${seed}: ${messageOf(error)}\n${bytes.toString('base64').slice(0, 100_000)}\n`,
      );
      process.exit(1);
    }
    let taken = cpu() - begin;
    // A cold cache or a collection of earlier garbage makes a reading slower, and nothing makes one faster.
    for (let again = 0; again < 4 && taken > suspicious; again += 1) {
      const started = cpu();
      read(bytes);
      taken = Math.min(taken, cpu() - started);
    }
    if (taken > slowest) [slowest, slowestName] = [taken, name];
    if (bytes.length < maxBody) return;
    largeCount += 1;
    slowestLarge = Math.max(slowestLarge, taken);
  };
}

const guide = new CoverageGuide(new URL('../src/', import.meta.url).href);
await guide.start();
const guided = chosen.map((target): Guided => ({ read: timed(target), corpus: [...target.seeds] }));
const seeds = guided.reduce((sum, { corpus }) => sum + corpus.length, 0);
const end = performance.now() + Number(minutes) * 60_000;
while (performance.now() < end) {
  const target = random.pick(guided);
  const messages = changed(target.corpus, random);
  await guide.explore(
    target,
    messages.map((small, index) => (index % largeEvery === 0 ? blownUp(small) : small.subarray(0, maxBody))),
  );
}
const { functions, run, of } = guide.figures;
guide.stop();
const corpus = guided.reduce((sum, one) => sum + one.corpus.length, 0);
process.stdout.write(
  `${what}: ${count} messages in ${minutes} minutes, ${largeCount} of them of ${maxBody} bytes; the slowest (${slowestName}) took ${slowest.toFixed(1)} ms of CPU ` +
    `(of ${maxBody} bytes: ${slowestLarge.toFixed(1)} ms); ${functions} functions ran, ${((100 * run) / of).toFixed(1)} % of their code; ` +
    `${corpus - seeds} messages joined the corpus of ${seeds}; seed ${seed}; no fault\n`,
);
