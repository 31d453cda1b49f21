import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/**
 * JSON lines on standard error, so that standard output stays free for a command's result.
 *
 * @param mask hides secrets in each line.
 */
export function createLogger(level: string, mask: (text: string) => string = (text) => text): Logger {
  const destination = { write: (line: string) => process.stderr.write(mask(line)) };
  const children = new Set<Logger>();
  const onChild = (child: Logger) => void children.add(child);
  const logger: Logger = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, onChild },
    destination,
  );
  families.set(logger, children);
  return logger;
}

/** The children of each logger. A child has a level of its own. There is one child a transport. */
const families = new WeakMap<Logger, ReadonlySet<Logger>>();

/** Sets the level of a logger that `createLogger` has made, and of its children. */
export function setLevel(logger: Logger, level: string): void {
  for (const one of [logger, ...(families.get(logger) ?? [])]) one.level = level;
}
