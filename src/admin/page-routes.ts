import type { FastifyInstance, FastifyRequest } from 'fastify';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { LineBudget } from '../core/quiet-log.ts';
import type { Live } from './live.ts';
import { type LetterQuery, PageRefusal, type PageSource } from './page-source.ts';

/** Letters that one request may name. */
const mostIds = 1000;
/** Characters of a text in a request. */
const mostText = 255;
const operators = { for: 'operators' } as const;

export interface PageRoutesOptions {
  readonly source: PageSource;
  readonly live: Live;
  /** Masks secrets in the text of an error. */
  readonly mask: (text: string) => string;
  readonly logger: Logger;
}

/** The data of the status page, and the changes of dead letters. */
export function addPageRoutes(server: FastifyInstance, options: PageRoutesOptions): void {
  const { source, live, mask, logger } = options;
  const budget = new LineBudget(3, 60_000);
  server.setErrorHandler<Error & { statusCode?: number }>((error, _, reply) => {
    if (error instanceof PageRefusal) return reply.code(error.status).send({ error: error.message });
    const status = error.statusCode ?? 500;
    // The server's own refusals: no such type of content, a body that is too long.
    if (status < 500) return reply.code(status).send({ error: error.message });
    if (budget.take() !== undefined)
      logger.warn(
        { code: 'page-data', because: messageOf(error) },
        'a request to the admin interface failed',
      );
    return reply.code(503).send({
      error: mask(`this cannot be answered now: ${messageOf(error)}`),
      code: 'page-data',
    });
  });

  server.get('/api/live', async (_, reply) => {
    if (!live.hasRoom) throw new PageRefusal(503, 'as many pages watch as may; close another one');
    reply.hijack();
    const headers = Object.entries(reply.getHeaders()).flatMap(([name, value]): [string, string][] =>
      value === undefined ? [] : [[name, String(value)]],
    );
    reply.raw.writeHead(200, { ...Object.fromEntries(headers), 'content-type': 'text/event-stream' });
    live.add(reply.raw);
  });
  server.get('/api/instance', async (request) => source.explain(requiredText(request.query, 'id')));
  server.get('/api/letters', { config: operators }, async ({ query }) => source.letters(lettersOf(query)));
  server.get('/api/letter', { config: operators }, async ({ query }) => source.letter(idOf(query, 'id')));

  // The body is stored as it came, so it is not parsed here.
  server.removeAllContentTypeParsers();
  server.addContentTypeParser(
    ['application/json', 'application/octet-stream'],
    { parseAs: 'buffer', bodyLimit: source.maxBody },
    (_, body, done) => done(null, body),
  );
  server.put('/api/letter/body', { config: operators, bodyLimit: source.maxBody }, async (request) => {
    const { body, query } = request;
    if (!Buffer.isBuffer(body)) throw new PageRefusal(400, 'the request has no body');
    return source.edit(idOf(query, 'id'), body, whoOf(request));
  });
  server.post('/api/letters/redrive', { config: operators }, async (request) => {
    const ids = textIn(request.query, 'ids')?.split(',');
    if (ids !== undefined && (ids.length > mostIds || !ids.every(isId)))
      throw new PageRefusal(400, `ids: must be numbers with commas between them, ${mostIds} at most`);
    const query = lettersOf(request.query);
    if (ids === undefined && Object.values(query).every((value) => value === undefined))
      throw new PageRefusal(400, 'say which dead letters: ids, reason, transport or instance');
    return source.redrive({ ...query, ...(ids !== undefined && { ids }) }, whoOf(request));
  });
}

/** For the columns that say who has changed a letter. */
function whoOf({ ip }: FastifyRequest): string {
  return `status page, from ${ip}`;
}

function lettersOf(query: unknown): LetterQuery {
  const state = textIn(query, 'state');
  if (state !== undefined && state !== 'dead' && state !== 'waiting' && state !== 'redriven')
    throw new PageRefusal(400, 'state: must be dead, waiting or redriven');
  return {
    reason: textIn(query, 'reason'),
    transport: textIn(query, 'transport'),
    instance: textIn(query, 'instance'),
    before: textIn(query, 'before') === undefined ? undefined : idOf(query, 'before'),
    state,
  };
}

function idOf(query: unknown, name: string): string {
  const id = requiredText(query, name);
  if (!isId(id)) throw new PageRefusal(400, `${name}: must be a number`);
  return id;
}

/** Postgres takes no larger number for a bigint. */
function isId(text: string): boolean {
  return /^\d{1,18}$/.test(text);
}

function requiredText(query: unknown, name: string): string {
  const value = textIn(query, name);
  if (value === undefined) throw new PageRefusal(400, `${name}: is required`);
  return value;
}

/** One text of the query string; undefined if it is missing or empty. */
function textIn(query: unknown, name: string): string | undefined {
  if (typeof query !== 'object' || query === null || !Object.hasOwn(query, name)) return undefined;
  const value: unknown = Reflect.get(query, name);
  if (value === '') return undefined;
  // Postgres takes no NUL in a text.
  if (typeof value !== 'string' || value.length > mostText || value.includes('\0'))
    throw new PageRefusal(400, `${name}: must be one text, ${mostText} characters at most`);
  return value;
}
