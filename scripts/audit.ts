/**
 * `npm run audit`, for the pipeline of a deployer: are there known vulnerabilities in what `npm ci --omit=dev` installs, and is each
 * dependency on the line that its maintainers call `latest`?
 *
 * Exit codes: 0 nothing was found, 1 something was found, 2 the registry could not say.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Milliseconds that npm may take for one answer. */
const patience = 120_000;

/** What npm said, as JSON, and its complaints. */
interface Answer {
  readonly json: unknown;
  readonly complaint: string;
}

function npm(...args: string[]): Promise<Answer> {
  return new Promise((resolve) => {
    const options = { cwd: root, timeout: patience, maxBuffer: 64 * 1024 * 1024 };
    // Its exit code says the same as its answer.
    execFile('npm', [...args, '--json'], options, (error, stdout, stderr) =>
      resolve({ json: parsed(stdout), complaint: stderr.trim() || (error?.message ?? '') }),
    );
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text === '' ? '{}' : text);
  } catch {
    return undefined;
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** A line for each vulnerable package; undefined if the registry has not answered. */
export function vulnerabilitiesIn(json: unknown): string[] | undefined {
  const found = field(json, 'vulnerabilities');
  if (typeof found !== 'object' || found === null) return undefined;
  return Object.entries(found).map(([name, one]) => {
    const via = field(one, 'via');
    const titles = (Array.isArray(via) ? via : []).flatMap((each) => {
      const title = typeof each === 'string' ? `by way of ${each}` : field(each, 'title');
      return typeof title === 'string' ? [title] : [];
    });
    return `${name} (${String(field(one, 'severity'))}): ${titles.join('; ')}`;
  });
}

/** A line for each dependency whose version is above `latest`: its maintainers do not recommend it yet. */
export function aboveLatest(json: unknown): string[] {
  return Object.entries(Object(json)).flatMap(([name, one]) => {
    const [current, latest] = [field(one, 'current'), field(one, 'latest')];
    if (typeof current !== 'string' || typeof latest !== 'string') return [];
    return isAbove(current, latest) ? [`${name} ${current} is above its latest line, ${latest}`] : [];
  });
}

function isAbove(one: string, other: string): boolean {
  const [ours = [], theirs = []] = [one, other].map((text) =>
    (text.split('-')[0] ?? '').split('.').map(Number),
  );
  const at = ours.findIndex((part, index) => part !== (theirs[index] ?? 0));
  return at >= 0 && (ours[at] ?? 0) > (theirs[at] ?? 0);
}

async function main(): Promise<number> {
  const [audit, outdated] = await Promise.all([npm('audit', '--omit=dev'), npm('outdated')]);
  const vulnerable = vulnerabilitiesIn(audit.json);
  if (
    vulnerable === undefined ||
    outdated.json === undefined ||
    field(outdated.json, 'error') !== undefined
  ) {
    const { json, complaint } = vulnerable === undefined ? audit : outdated;
    const message = field(json, 'message') ?? field(field(json, 'error'), 'summary') ?? complaint;
    process.stderr.write(
      `audit: nothing was checked, because the registry does not answer: ${String(message).split('\n')[0]}\n` +
        'Run it where the audit service of the registry can be reached, or name another registry: npm_config_registry=https://...\n',
    );
    return 2;
  }
  const lines = [...vulnerable, ...aboveLatest(outdated.json)];
  for (const line of lines) process.stdout.write(`${line}\n`);
  if (lines.length === 0)
    process.stdout.write('No known vulnerability, and each dependency is on its latest line.\n');
  return lines.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main();
