import { ConfigError, messageOf } from '../core/errors.ts';
import { healthOf, isReady } from './health.ts';
import type { MetricsSubject } from './metrics/subject.ts';

export interface AdminOptions {
  readonly host: string;
  /** 0: no server starts. */
  readonly port: number;
}

export interface AdminServer {
  /** The address it listens on; undefined if it does not listen. */
  readonly url: string | undefined;
  /** A second call does nothing. */
  stop(): Promise<void>;
}

/**
 * Answers probes and operators over HTTP: `/health/live` (503 if only a restart helps), `/health/ready` (503 while the replica cannot work), `/health`, which has the
 * state of each transport, and `/metrics` in OpenMetrics 1.0. Fails with ConfigError if it cannot listen.
 */
export async function startAdmin(
  { host, port }: AdminOptions,
  subject: MetricsSubject,
): Promise<AdminServer> {
  if (port === 0) return { url: undefined, stop: () => Promise.resolve() };
  // Loaded only here, since they need a tenth of a replica's memory.
  const { fastify } = await import('fastify');
  const { createMetrics } = await import('./metrics/index.ts');
  const server = fastify({ forceCloseConnections: true });
  server.get('/health/live', async (_, reply) => {
    const { wedgedBecause: because } = subject;
    return because === undefined ? { status: 'ok' } : reply.code(503).send({ status: 'wedged', because });
  });
  server.get('/health/ready', async (_, reply) => {
    const health = healthOf(subject);
    return reply.code(isReady(health) ? 200 : 503).send({ status: health.status });
  });
  server.get('/health', async () => healthOf(subject));
  const scrape = createMetrics(subject);
  server.get('/metrics', async (_, reply) => {
    const { contentType, text } = await scrape();
    return reply.type(contentType).send(text);
  });
  try {
    const url = await server.listen({ host, port });
    return { url, stop: () => server.close() };
  } catch (error) {
    throw new ConfigError(`admin: cannot listen on ${host}:${port}: ${messageOf(error)}`, {
      code: 'admin-port',
    });
  }
}
