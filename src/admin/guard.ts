import { isIP } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorCode } from '../core/error-codes.ts';
import { ConfigError, messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { LineBudget } from '../core/quiet-log.ts';
import type { AdminToken } from './token.ts';

/**
 * Who may use a route. `everybody`: the probes. `readers`: on loopback everybody, elsewhere whoever has the token. `operators`: whoever has
 * the token.
 */
export type For = 'everybody' | 'readers' | 'operators';

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly for?: For;
  }
}

export interface GuardOptions {
  /** The address that the server listens on. */
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  readonly token: AdminToken;
  /** The page on which a browser signs in. */
  readonly signIn: string;
  readonly logger: Logger;
}

/** Nothing is loaded from elsewhere, nothing stands in the page's own text, and no other page may frame it. */
const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

/** Lines about refused tokens: some at once, then one in a minute. */
const lines = { atOnce: 3, interval: 60_000 };

/** Puts the security headers on each answer, and refuses requests that may not use their route. */
export function addGuard(server: FastifyInstance, options: GuardOptions): void {
  const { host, token, logger } = options;
  const isLocal = isLoopback(host);
  const budget = new LineBudget(lines.atOnce, lines.interval);
  let wrong = 0;
  server.addHook('onRequest', async (request, reply) => {
    reply.headers(headers);
    if (options.isTls) reply.header('strict-transport-security', 'max-age=31536000');
    // A page of the internet may give its own name this machine's address. A request without a name is no browser's.
    if (isLocal && request.hostname !== '' && !isLoopback(request.hostname))
      return refuse(reply, 421, 'admin-host', 'this server is for its own machine: use http://127.0.0.1');
    const { for: users = 'readers' } = request.routeOptions.config;
    if (users === 'everybody' || (users === 'readers' && isLocal)) return;
    if (!token.isConfigured)
      return refuse(reply, 403, 'admin-no-token', 'this needs a token: set admin.tokenFile');
    const proof = await proofOf(request, options);
    if (proof === 'none' || proof === 'wrong') {
      if (proof === 'wrong') {
        wrong += 1;
        if (budget.take() !== undefined) {
          logger.warn(
            { code: 'admin-sign-in', from: request.ip, requests: wrong },
            'requests came to the admin interface with a wrong token',
          );
          wrong = 0;
        }
      }
      reply.header('www-authenticate', 'Bearer realm="conductor"');
      if (proof === 'none' && request.url === '/')
        return reply.code(401).type('text/html; charset=utf-8').send(options.signIn);
      return refuse(reply, 401, 'admin-sign-in', 'sign in with the token of admin.tokenFile');
    }
    // A browser sends the cookie for a page of another port of this machine too.
    const isChange = request.method !== 'GET' && request.method !== 'HEAD';
    if (proof === 'session' && isChange && !isOwnOrigin(request, options.isTls))
      return refuse(reply, 403, 'admin-sign-in', 'the request comes from another page');
  });
}

/** Refuses with a JSON body. Nothing else of the request is read. */
export function refuse(reply: FastifyReply, status: number, code: ErrorCode, error: string): FastifyReply {
  return reply.code(status).send({ error, code });
}

/** The name of the cookie. Browsers share cookies among the ports of a machine. */
export function cookieName(port: number): string {
  return `conductor-${port}`;
}

/** Whether the request comes from an operator. */
export async function isOperator(request: FastifyRequest, options: GuardOptions): Promise<boolean> {
  const proof = await proofOf(request, options);
  return proof === 'token' || proof === 'session';
}

/** The proof in a request: its header counts first. A token file that cannot be used any more makes every proof wrong. */
async function proofOf(
  { headers: given }: FastifyRequest,
  { token, port, logger }: GuardOptions,
): Promise<'token' | 'session' | 'wrong' | 'none'> {
  try {
    const [, bearer] = /^Bearer (.+)$/i.exec(given.authorization ?? '') ?? [];
    if (bearer !== undefined) return (await token.matches(bearer)) ? 'token' : 'wrong';
    const cookies = (given.cookie ?? '').split(/; */);
    const session = cookies.find((one) => one.startsWith(`${cookieName(port)}=`));
    if (session === undefined) return 'none';
    // A session that has ended is no attempt to guess.
    return (await token.isSession(session.slice(session.indexOf('=') + 1))) ? 'session' : 'none';
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    logger.warn({ code: 'admin-token', because: messageOf(error) }, 'the token file cannot be used');
    return 'none';
  }
}

function isOwnOrigin({ headers: { origin, host } }: FastifyRequest, isTls: boolean): boolean {
  return origin === `${isTls ? 'https' : 'http'}://${host}`;
}

/** Whether a host name or an address is this machine's own, and reached by nobody else. Brackets of IPv6 are allowed. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}
