import type { Config } from '../core/config/load.ts';
import type { CommandLine } from './command-line.ts';
import { brokerTopic } from './doctor-broker.ts';
import { examine, type Found } from './doctor-check.ts';
import { databaseTopic } from './doctor-database.ts';
import { printable } from './table.ts';

/** Tries all that a configuration names, and prints what was found. Rejects if something is wrong. */
export async function doctor(line: CommandLine, file: string, { json }: { json: boolean }): Promise<void> {
  const config = await line.load(file);
  const found = await examineAll(config, (subject) => line.progress(`looking at ${subject}`));
  line.progress('');
  const text = json
    ? JSON.stringify({ ok: !found.some(isWrong), findings: found })
    : reportOf(found, line.hasColors);
  line.print(line.mask(text));
  const count = found.filter(isWrong).length;
  if (count > 0) throw new Error(`${count} ${count === 1 ? 'thing is' : 'things are'} wrong`);
}

/** Looks at all that the configuration names. Changes nothing there. Never rejects. */
export async function examineAll(
  config: Config,
  progress: (subject: string) => void = () => {},
): Promise<Found[]> {
  progress('the database');
  const found = await examine(databaseTopic(config));
  for (const configured of config.transports) {
    progress(`transports.${configured.name}`);
    found.push(...(await examine(brokerTopic(config, configured))));
  }
  return found;
}

const isWrong = ({ level }: Found) => level === 'wrong';

/** Of the word at the beginning of a line, as an escape sequence. */
const colors: Readonly<Record<Found['level'], string>> = { ok: '32', warning: '33', wrong: '31' };

function reportOf(found: ReadonlyArray<Found>, hasColors: boolean): string {
  const shown = (level: Found['level']) =>
    hasColors ? `\u{1b}[${colors[level]}m${level.padEnd(7)}\u{1b}[0m` : level.padEnd(7);
  const lines = found.map(({ level, subject, check, text, code }) => {
    const codeText = code === undefined ? '' : ` [${code}]`;
    return `${shown(level)}  ${subject}: ${check}: ${printable(text)}${codeText}`;
  });
  const [wrong, warnings] = (['wrong', 'warning'] as const).map(
    (level) => found.filter((one) => one.level === level).length,
  );
  return [
    ...lines,
    '',
    `${found.length} checks: ${wrong} wrong, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}. docs/errors.md explains the codes.`,
  ].join('\n');
}
