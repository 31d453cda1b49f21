import type { Section } from '../options.ts';
import { nonEmptyText, wholeNumberUpTo } from './formats.ts';

/** The options of HTTP and of the log. */
export const adminSections = {
  admin: {
    host: {
      doc: 'The address on which the replica reports its health and its metrics over HTTP. `0.0.0.0`: all addresses. The server asks for no password.',
      default: '127.0.0.1',
      format: nonEmptyText,
    },
    port: {
      doc: 'The port for `/health`, `/health/live`, `/health/ready` and `/metrics`. 0: no server starts.',
      default: 0,
      format: wholeNumberUpTo(65_535),
    },
  },
  log: {
    level: {
      doc: 'The lowest level that is logged.',
      default: 'info',
      format: ['fatal', 'error', 'warn', 'info', 'debug', 'trace'],
    },
  },
} satisfies Section;
