import type { Section } from '../options.ts';
import { nonEmptyText, wholeNumberUpTo } from './formats.ts';

/** The options of HTTP and of the log. */
export const adminSections = {
  admin: {
    host: {
      doc: 'The address of the status page, the health and the metrics. `0.0.0.0`: all addresses. On any address but loopback (`127.0.0.1`, `::1`, `localhost`) only `/health/live` and `/health/ready` answer without the token of `tokenFile`.',
      default: '127.0.0.1',
      format: nonEmptyText,
    },
    port: {
      doc: 'The port of the status page (`/`), `/health`, `/health/live`, `/health/ready` and `/metrics`. 0: no server starts.',
      default: 0,
      format: wholeNumberUpTo(65_535),
    },
    tokenFile: {
      doc: 'A file with the token of the operators, 16 characters at least. Its holder may see the content of dead letters, edit them and redrive them. It is read again when it changes. Empty: nobody may.',
      default: '',
    },
    openMetrics: {
      doc: '`true`: `/metrics` answers without the token on every address. For a network that lets only the metrics server in.',
      default: false,
    },
    tls: {
      cert: {
        doc: 'A file with the certificate of this server and those of its authorities, in PEM. With it the server speaks HTTPS only.',
        default: '',
      },
      key: {
        doc: 'A file with the private key of `admin.tls.cert`, in PEM.',
        default: '',
      },
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
