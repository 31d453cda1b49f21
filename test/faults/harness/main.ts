/** `npm run test:faults -- --minutes N --seed S --transport T`: rounds of faults under load, and the table of what became of each message. */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../../src/core/errors.ts';
import { parseOptions, type RunOptions } from './options.ts';
import { tableOf } from './report.ts';
import { type RoundResult, runRound } from './round.ts';
import { runSoaks } from './soak/main.ts';

/** Resolves with the exit code: 0 if nothing was lost, nothing is unexplained and nothing grows, 1 if something was, 2 if the arguments are wrong. */
export async function runHarness(args: ReadonlyArray<string>): Promise<number> {
  let options: ReturnType<typeof parseOptions>;
  try {
    options = parseOptions(args, () => String(Date.now() % 1_000_000));
  } catch (error) {
    console.error(messageOf(error));
    return 2;
  }
  const folder = options.logs ?? mkdtempSync(join(tmpdir(), 'conductor-faults-'));
  const failures = options.soak ? await runSoaks(options, folder) : await runRounds(options, folder);
  if (failures.length === 0) {
    if (options.logs === undefined) rmSync(folder, { recursive: true });
    return 0;
  }
  console.error(['', ...failures, `The logs of the replicas: ${folder}`].join('\n'));
  return 1;
}

/** A round with each seed on each transport. Resolves with what was wrong, in words. */
async function runRounds(options: RunOptions, folder: string): Promise<string[]> {
  const { minutes, seeds, transports, rate = 4000, calm, cluster, only, results } = options;
  const seconds = (minutes * 60) / transports.length;
  const rounds: RoundResult[] = [];
  const failures: string[] = [];
  console.log(`Seeds ${seeds.join(', ')}: ${seconds} s on each of ${transports.join(', ')}`);
  for (const seed of seeds)
    for (const transport of transports)
      try {
        const round = { seed, transport, seconds, rate, calm, cluster, only, folder: join(folder, seed) };
        const result = await runRound({ ...round, print: (line) => console.log(line) });
        rounds.push(result);
        if (results !== undefined) appendFileSync(results, `${JSON.stringify(result)}\n`);
      } catch (error) {
        failures.push(`${seed} ${transport}: ${messageOf(error)}`);
        console.error(failures.at(-1));
      }
  const reported = results === undefined ? rounds : readResults(results);
  for (const line of tableOf(reported)) console.log(line);
  for (const line of [...callsOf(reported), ...exclusions(reported)]) console.log(line);
  failures.push(
    ...rounds.flatMap(({ seed, transport, problems }) =>
      problems.map((text) => `${seed} ${transport}: ${text}`),
    ),
  );
  return failures;
}

/** The rounds of this run and of earlier ones. */
function readResults(file: string): RoundResult[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line): RoundResult => JSON.parse(line));
}

function callsOf(rounds: ReadonlyArray<RoundResult>): string[] {
  return [...Map.groupBy(rounds, ({ transport }) => transport)].map(([transport, own]) => {
    const sum = (of: 'answered' | 'repeated') => own.reduce((total, { calls }) => total + calls[of], 0);
    return `Calls on ${transport}: ${sum('answered')} answered, ${sum('repeated')} times repeated.`;
  });
}

function exclusions(rounds: ReadonlyArray<RoundResult>): string[] {
  const lines = rounds.flatMap(({ transport, excluded }) =>
    excluded.map(([fault, why]) => `Left out: ${fault} on ${transport}: ${why}.`),
  );
  return [...new Set(lines)];
}
