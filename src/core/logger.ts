import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** JSON lines on standard error, so that standard output stays free for what a command prints. */
export function createLogger(level: string): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: false }));
}
