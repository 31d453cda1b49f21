import type { FastifyInstance } from 'fastify';
import { ConfigError, codeOf, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { isLoopback } from './guard.ts';
import { healthOf, isReady } from './health.ts';
import type { MetricsSubject } from './metrics/subject.ts';
import type { PageSource } from './page-source.ts';
import { readTls } from './tls.ts';
import { AdminToken } from './token.ts';

export interface AdminOptions {
  readonly host: string;
  /** 0: no server starts. */
  readonly port: number;
  /** Empty: there is no token. */
  readonly tokenFile: string;
  readonly openMetrics: boolean;
  readonly tls: { readonly cert: string; readonly key: string };
}

export interface AdminServer {
  /** The address it listens on; undefined if it does not listen. */
  readonly url: string | undefined;
  /** A second call does nothing. */
  stop(): Promise<void>;
}

/** Connections at once. Each page that watches has one. */
const mostConnections = 200;
/** Milliseconds that a request may take to arrive. */
const requestTimeout = 10_000;

/**
 * Answers probes and operators over HTTP: `/health/live` (503 if only a restart helps), `/health/ready` (503 while the replica cannot work), `/health`, which has the
 * state of each transport, `/metrics` in OpenMetrics 1.0, and the status page at `/`. Fails with ConfigError if it cannot listen.
 */
export async function startAdmin(
  options: AdminOptions,
  subject: MetricsSubject,
  source: PageSource,
  logger: Logger,
): Promise<AdminServer> {
  const { host, port, tokenFile, openMetrics } = options;
  if (port === 0) return { url: undefined, stop: () => Promise.resolve() };
  const [token, tls] = [await AdminToken.open(tokenFile), readTls(options.tls)];
  const isTls = tls !== undefined;
  if (!isLoopback(host)) warn(isTls, token, logger);
  // Loaded only here, since they need a tenth of a replica's memory.
  const { fastify } = await import('fastify');
  const { createMetrics } = await import('./metrics/index.ts');
  const { addGuard } = await import('./guard.ts');
  const { addPageFiles, signInPage } = await import('./page-files.ts');
  const { addPageRoutes } = await import('./page-routes.ts');
  const { addSession } = await import('./session-routes.ts');
  const { Live } = await import('./live.ts');
  const common = { forceCloseConnections: true, requestTimeout };
  const server: FastifyInstance = isTls
    ? fastify({ ...common, https: { ...tls, minVersion: 'TLSv1.2' } })
    : fastify(common);
  server.server.maxConnections = mostConnections;
  const guard = { host, port, isTls, token, signIn: await signInPage(), logger };
  addGuard(server, guard);
  addHealth(server, subject);
  const scrape = createMetrics(subject);
  server.get('/metrics', { config: { for: openMetrics ? 'everybody' : 'readers' } }, async (_, reply) => {
    const { contentType, text } = await scrape();
    return reply.type(contentType).send(text);
  });
  const live = new Live(subject, source);
  addSession(server, guard);
  addPageFiles(server);
  addPageRoutes(server, { source, live, mask: subject.mask, logger });
  server.setNotFoundHandler(async (_, reply) => reply.code(404).send({ error: 'there is no such page' }));
  const stop = async () => {
    live.stop();
    await server.close();
    await source.close();
  };
  try {
    const url = await server.listen({ host, port });
    return { url, stop };
  } catch (error) {
    await stop();
    const next = portErrors.has(codeOf(error))
      ? '; set admin.port, or CONDUCTOR_ADMIN__PORT, to a free port'
      : '';
    throw new ConfigError(`admin: cannot listen on ${host}:${port}: ${messageOf(error)}${next}`, {
      code: 'admin-port',
    });
  }
}

/** Errors of `listen` that another port avoids. The others are about the host. */
const portErrors: ReadonlySet<string | undefined> = new Set(['EADDRINUSE', 'EACCES']);

function warn(isTls: boolean, token: AdminToken, logger: Logger): void {
  if (!token.isConfigured)
    logger.warn(
      { code: 'admin-no-token' },
      'admin.host is not loopback and admin.tokenFile is empty: only /health/live and /health/ready answer',
    );
  else if (!isTls)
    logger.warn(
      { code: 'admin-plain' },
      'admin.host is not loopback and admin.tls.cert is empty: the token crosses the network as plain text',
    );
}

function addHealth(server: FastifyInstance, subject: MetricsSubject): void {
  const probe = { config: { for: 'everybody' } } as const;
  server.get('/health/live', probe, async (_, reply) => {
    const { wedgedBecause } = subject;
    const because = wedgedBecause && subject.mask(wedgedBecause);
    return because === undefined ? { status: 'ok' } : reply.code(503).send({ status: 'wedged', because });
  });
  server.get('/health/ready', probe, async (_, reply) => {
    const health = healthOf(subject);
    return reply.code(isReady(health) ? 200 : 503).send({ status: health.status });
  });
  server.get('/health', async () => healthOf(subject));
}
