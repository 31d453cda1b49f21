import type { FastifyInstance } from 'fastify';
import type { SessionAnswer } from '../core/page-answers.ts';
import { cookieName, type GuardOptions, isOperator } from './guard.ts';
import { sessionLength } from './token.ts';

/**
 * Signs a browser in and out. The token comes in the header, as everywhere; the answer sets a cookie that no script can read. A page in the
 * browser needs it, since EventSource sends no headers.
 */
export function addSession(server: FastifyInstance, options: GuardOptions): void {
  const { port, isTls, token } = options;
  const cookie = (value: string, seconds: number) =>
    [
      `${cookieName(port)}=${value}`,
      `Max-Age=${seconds}`,
      'Path=/',
      'HttpOnly',
      'SameSite=Strict',
      ...(isTls ? ['Secure'] : []),
    ].join('; ');
  server.get(
    '/session',
    async (request): Promise<SessionAnswer> => ({
      signedIn: await isOperator(request, options),
      hasToken: token.isConfigured,
    }),
  );
  server.post('/session', { config: { for: 'operators' } }, async (_, reply) => {
    const session = await token.session();
    return reply.header('set-cookie', cookie(session ?? '', sessionLength)).send({ signedIn: true });
  });
  server.delete('/session', { config: { for: 'everybody' } }, async (_, reply) =>
    reply.header('set-cookie', cookie('', 0)).send({ signedIn: false }),
  );
}
