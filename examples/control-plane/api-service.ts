import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { type Client, connect, RemoteError } from 'conductor-gateway/client';

/**
 * The public HTTP API of the control plane. It has no database connection. It reads rows through the conductor, and writes tasks through the
 * conductor for the task manager.
 *
 *   POST /instances {"name"}    GET /instances/ID    POST /instances/ID/backups    DELETE /instances/ID    GET /backups/ID
 */

/** The API's word for each status of a guest. */
const apiStatus: Readonly<Record<string, string>> = { new: 'NEW', building: 'BUILDING', running: 'ACTIVE' };

interface Row {
  readonly id: string;
  readonly [column: string]: unknown;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** @param key the idempotency key. A repeated request with the same key gets the answer to the first one. */
async function createInstance(client: Client, key: string, name: unknown): Promise<Answer> {
  const values = { name, task_description: 'BUILDING' };
  const row = (await client.call('model_create', { model: 'instances', values }, { messageId: key })) as Row;
  return { status: 202, body: { id: row.id, name: row.name, status: 'NEW' } };
}

async function showInstance(client: Client, id: string): Promise<Answer> {
  const instance = await client.call('model_get', { model: 'instances', id });
  const filters = { instance_id: id };
  const { rows } = await client.call('model_list', { model: 'service_statuses', filters });
  const said = String(rows[0]?.status_description ?? 'new');
  const status =
    instance.task_description === 'DELETING' ? 'DELETING' : (apiStatus[said] ?? said.toUpperCase());
  return { status: 200, body: { id, name: instance.name, status } };
}

async function createBackup(client: Client, key: string, instance: string): Promise<Answer> {
  await client.call('model_get', { model: 'instances', id: instance });
  const values = { name: `of ${instance}`, state: 'NEW', instance_id: instance, backup_type: 'full' };
  const row = (await client.call('model_create', { model: 'backups', values }, { messageId: key })) as Row;
  return { status: 202, body: { id: row.id, state: row.state } };
}

async function showBackup(client: Client, id: string): Promise<Answer> {
  const { state, size, location } = (await client.call('model_get', { model: 'backups', id })) as Row;
  return { status: 200, body: { id, state, size, location } };
}

async function deleteInstance(client: Client, key: string, id: string): Promise<Answer> {
  const values = { task_description: 'DELETING' };
  await client.call('model_update', { model: 'instances', id, values }, { messageId: key });
  return { status: 202, body: { id, status: 'DELETING' } };
}

async function handle(client: Client, request: IncomingMessage): Promise<Answer> {
  const [collection = '', id = '', below = ''] = (request.url ?? '').split('/').slice(1);
  const key = String(request.headers['idempotency-key'] ?? randomUUID());
  switch (`${request.method} ${collection}${id && '/ID'}${below && `/${below}`}`) {
    case 'POST instances':
      return createInstance(client, key, (await readJson(request)).name);
    case 'GET instances/ID':
      return showInstance(client, id);
    case 'POST instances/ID/backups':
      return createBackup(client, key, id);
    case 'DELETE instances/ID':
      return deleteInstance(client, key, id);
    case 'GET backups/ID':
      return showBackup(client, id);
    default:
      return { status: 404, body: { error: 'no such address' } };
  }
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString() || '{}');
}

/** The HTTP status for each class of the conductor's errors. */
const httpStatus: Readonly<Record<string, number>> = {
  NotFound: 404,
  BadRequest: 400,
  Conflict: 409,
  Forbidden: 403,
};

const client = await connect({
  transport: {
    kind: 'mqtt',
    version: '3.1.1',
    url: process.env.BROKER_URL ?? 'mqtt://127.0.0.1:1883',
  },
  sender: 'api',
});
const server = createServer(async (request, response) => {
  const { status, body } = await handle(client, request).catch((error: unknown): Answer => {
    const known = error instanceof RemoteError ? httpStatus[error.class] : undefined;
    return { status: known ?? 503, body: { error: error instanceof Error ? error.message : String(error) } };
  });
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
});
server.listen(Number(process.env.PORT ?? 8779), '127.0.0.1', () => console.log('the API service listens'));
process.once('SIGTERM', async () => {
  server.close();
  server.closeAllConnections();
  await client.close();
});
