import { writeFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { join } from 'node:path';
import type { ExecutionContext, TestFn } from 'ava';
import { pino } from 'pino';
import type { PageSource } from '../../src/admin/page-source.ts';
import { type AdminOptions, startAdmin } from '../../src/admin/server.ts';
import type { Conductor } from '../../src/conductor/replica.ts';
import { startConductor } from '../../src/conductor.ts';
import { parseConfig } from '../../src/core/config/load.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { deadBroker } from '../support/admin.ts';
import { configurationOf } from '../support/conductor.ts';
import { openDatabase } from '../support/database.ts';
import { freePort } from '../support/ports.ts';
import { services } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** An admin interface for tests of its access. */

export const token = 'a token of more than 16 characters';

/** Notes what the routes ask for. */
export class Source implements PageSource {
  readonly maxBody = 100;
  readonly seen = { present: undefined, fleet: undefined, problem: undefined, problemSince: undefined };
  readonly asked: unknown[] = [];
  looks = 0;
  look = async () => {
    this.looks += 1;
  };
  explain = async (id: string) => this.note('explain', id);
  letters = async (query: object) => this.note('letters', query);
  letter = async (id: string) => this.note('letter', id);
  edit = async (id: string, body: Buffer, by: string) => this.note('edit', id, body.toString(), by);
  redrive = async (query: object, by: string) => this.note('redrive', query, by);
  close = async () => {};

  private note(...what: unknown[]) {
    this.asked.push(what);
    return {};
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface Request {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly ca?: string;
}

/** A new file with a token. */
export function tokenFile(text = token): string {
  const file = join(temporaryDirectory('token'), 'token');
  writeFileSync(file, `${text}\n`);
  return file;
}

/** Starts a conductor before the tests of a file, and stops it after them. Returns what opens admin interfaces of it. */
export function adminOfFile(test: TestFn) {
  let conductor: Conductor | undefined;
  let drop: () => Promise<void> = async () => {};
  test.before(async () => {
    if (services.postgres === undefined) return;
    const database = await openDatabase({ migrated: true });
    drop = database.drop;
    const text = configurationOf({ database: database.url, transports: { dead: deadBroker } });
    const config = parseConfig(text, 'test', {}, transportKinds);
    conductor = await startConductor(config, pino({ enabled: false }));
  });
  test.after.always(async () => {
    await conductor?.stop();
    await drop();
  });
  return (t: ExecutionContext, options: Partial<AdminOptions> = {}) => {
    if (conductor === undefined) throw new Error('the conductor was not started');
    return serve(t, conductor, options);
  };
}

/** An admin interface, and requests to it over 127.0.0.1. */
async function serve(t: ExecutionContext, conductor: Conductor, options: Partial<AdminOptions>) {
  const port = await freePort();
  const source = new Source();
  const lines: unknown[] = [];
  const logger = pino({ base: null }, { write: (line) => void lines.push(JSON.parse(line)) });
  const tls = { cert: '', key: '' };
  const defaults = { host: '127.0.0.1', port, tokenFile: '', openMetrics: false, tls };
  const server = await startAdmin({ ...defaults, ...options }, conductor, source, logger);
  t.teardown(() => server.stop());
  const isTls = options.tls !== undefined;
  const ask = (path: string, { method = 'GET', headers = {}, body, ca }: Request = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const send = isTls ? tlsRequest : plainRequest;
      const sent = send({ host: '127.0.0.1', port, path, method, headers, ...(ca && { ca }) }, (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => {
          text += chunk;
        });
        answer.on('error', reject);
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  return { ask, source, lines, port, bearer: { authorization: `Bearer ${token}` } };
}
