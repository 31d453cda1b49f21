import { randomBytes } from 'node:crypto';
import { findMosquitto, startMosquitto } from '../../test/support/mosquitto.ts';
import { startNats } from '../../test/support/nats.ts';
import { freePort } from '../../test/support/ports.ts';
import { startPostgres } from '../../test/support/postgres.ts';
import { startRabbitmq } from '../../test/support/rabbitmq.ts';
import type { BenchTransport } from '../brokers/index.ts';
import type { BodyForm } from '../load/body-forms.ts';
import { startChild } from '../run/child.ts';
import { type DatabasePlace, makeDatabasePlace } from './database.ts';
import { makePlace, type Place } from './places.ts';

/** A broker and a database for a bench: private ones, or the deployer's own. */
export interface Services {
  readonly place: Place;
  readonly database: DatabasePlace;
  /** Process ids, for their CPU; undefined for the deployer's own, which may be anywhere. */
  readonly pids: { readonly broker: number | undefined; readonly postgres: number | undefined };
  /** The names of the objects that the bench made, for the report. */
  readonly made: ReadonlyArray<string>;
  remove(): Promise<void>;
}

export interface ServicesOptions {
  readonly transport: BenchTransport;
  readonly codec: BodyForm;
  readonly auth: Readonly<Record<string, unknown>>;
  /** URLs of the deployer's own; undefined: a private one. */
  readonly broker: string | undefined;
  readonly database: string | undefined;
}

interface Started {
  readonly url: string;
  /** Whether it speaks MQTT 3.1.1 only, and has no shared subscriptions. */
  readonly isOld?: boolean;
  readonly pid: number | undefined;
  stop(): Promise<unknown>;
}

/** Opens the services, and makes places of the bench's own in them. */
export async function openServices(options: ServicesOptions): Promise<Services> {
  const ends: (() => Promise<unknown>)[] = [];
  const remove = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const id = randomBytes(4).toString('hex');
    const postgres = await (options.database === undefined ? privatePostgres() : given(options.database));
    ends.push(postgres.stop);
    const database = await makeDatabasePlace(postgres.url, `conductor_bench_${id}`);
    ends.push(() => database.remove());
    const broker = await (options.broker === undefined
      ? privateBroker[options.transport]()
      : given(options.broker));
    ends.push(broker.stop);
    const { codec, auth } = options;
    const name = `conductor-bench-${id}`;
    const isOld = broker.isOld === true;
    const place = await makePlace[options.transport]({ url: broker.url, isOld, name, codec, auth });
    ends.push(() => place.remove());
    return {
      place,
      database,
      pids: { broker: broker.pid, postgres: postgres.pid },
      made: [
        `on the broker: ${place.made}`,
        `in Postgres: schemas ${database.schema} and ${database.jobsSchema}`,
      ],
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

const given = (url: string): Promise<Started> =>
  Promise.resolve({ url, pid: undefined, stop: () => Promise.resolve() });

/** Commits to disk, and keeps the times of commits. */
async function privatePostgres(): Promise<Started> {
  const settings = { fsync: 'on', track_commit_timestamp: 'on', max_wal_size: '4GB' };
  const server = await startPostgres({ settings });
  return { url: server.url(), pid: server.pid, stop: () => server.stop() };
}

async function privateRabbitmq(): Promise<Started> {
  const server = await startRabbitmq();
  return { url: server.url, pid: server.pid, stop: () => server.kill() };
}

/** Where Mosquitto is not installed. */
async function embeddedMqtt(): Promise<Started> {
  const port = await freePort();
  const { pid, stop } = await startChild('../services/embedded-broker.ts', { port });
  return { url: `mqtt://127.0.0.1:${port}`, isOld: true, pid, stop };
}

const privateBroker: Record<BenchTransport, () => Promise<Started>> = {
  amqp091: privateRabbitmq,
  amqp10: privateRabbitmq,
  async mqtt() {
    if (findMosquitto() === undefined) return embeddedMqtt();
    const server = await startMosquitto();
    return { url: server.url, pid: server.pid, stop: () => server.stop() };
  },
  async nats() {
    const server = await startNats();
    return { url: server.url, pid: server.pid, stop: () => server.stop() };
  },
};
