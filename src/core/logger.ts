import { type Logger, type LoggerOptions, pino } from 'pino';
import { readableLine } from './readable-log.ts';

export type { Logger } from 'pino';

/** How each line of the log is written. The level is its name, as operators and most programs that read logs expect it. */
export const lineForm = {
  base: null,
  timestamp: pino.stdTimeFunctions.isoTime,
  formatters: { level: (label) => ({ level: label }) },
} as const satisfies LoggerOptions;

/**
 * Lines on standard error, so that standard output stays free for a command's result: for a reader if standard error is a terminal, otherwise JSON.
 *
 * @param mask hides secrets in each line.
 */
export function createLogger(level: string, mask: (text: string) => string = (text) => text): Logger {
  const { stderr } = process;
  const hasColors = stderr.isTTY && stderr.hasColors();
  const form = stderr.isTTY ? (line: string) => readableLine(line, hasColors) : (line: string) => line;
  const destination = { write: (line: string) => stderr.write(form(mask(line))) };
  const children = new Set<Logger>();
  const onChild = (child: Logger) => void children.add(child);
  const logger: Logger = pino({ ...lineForm, level, onChild }, destination);
  families.set(logger, children);
  return logger;
}

/** The children of each logger. A child has a level of its own. There is one child a transport. */
const families = new WeakMap<Logger, ReadonlySet<Logger>>();

/** Sets the level of a logger that `createLogger` has made, and of its children. */
export function setLevel(logger: Logger, level: string): void {
  for (const one of [logger, ...(families.get(logger) ?? [])]) one.level = level;
}
