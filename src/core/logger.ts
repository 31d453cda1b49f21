import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/**
 * JSON lines on standard error, so that standard output stays free for a command's result.
 *
 * @param mask hides secrets in each line.
 */
export function createLogger(level: string, mask: (text: string) => string = (text) => text): Logger {
  const destination = { write: (line: string) => process.stderr.write(mask(line)) };
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
