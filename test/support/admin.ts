/** Replicas with an admin interface, and guests of their own on Mosquitto. */
import { randomUUID } from 'node:crypto';
import { connectAsync } from 'mqtt';
import type { Health } from '../../src/admin/health.ts';
import { type ConductorHere, type ConductorOptions, startConductorHere } from './conductor.ts';
import { type Scraped, scrape } from './open-metrics.ts';
import { freePort } from './ports.ts';
import { service } from './services.ts';

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<unknown>): void;
}

/** The entry of a transport whose broker is never there. */
export const deadBroker = { kind: 'amqp091', url: 'amqp://127.0.0.1:1' };

export interface AdminReplica {
  readonly conductor: ConductorHere;
  readonly port: number;
  /** Of the page. */
  readonly url: string;
  get(path: string): Promise<Response>;
  health(): Promise<Health>;
  scrape(): Promise<Scraped>;
  /** Another one with the same port and configuration, once this one is stopped. */
  startAgain(): Promise<ConductorHere>;
}

/**
 * Starts a replica with an admin interface on a port of its own, stopped at the end of the test.
 *
 * @param admin further keys of the section.
 */
export async function startAdminReplica(
  t: Test,
  { settings = {}, ...options }: ConductorOptions,
  admin: Readonly<Record<string, unknown>> = {},
): Promise<AdminReplica> {
  const port = await freePort();
  const start = () =>
    startConductorHere(t, { ...options, settings: { ...settings, admin: { port, ...admin } } });
  const url = `http://127.0.0.1:${port}/`;
  const get = (path: string) => fetch(new URL(path, url));
  return {
    conductor: await start(),
    port,
    url,
    get,
    async health() {
      const told: Health = JSON.parse(await (await get('/health')).text());
      return told;
    },
    scrape: () => scrape(port),
    startAgain: start,
  };
}

/** Topics of the test's own on Mosquitto, and the entry of a transport that takes them. The test needs `mosquitto`. */
export function ownEdge() {
  const { url } = service('mosquitto');
  const name = `admin-${randomUUID()}`;
  return {
    edge: { kind: 'mqtt', url, topic: `${name}/+`, group: name, clientId: name },
    /** Connects as guests do. Returns a function that publishes for one of them. */
    async openGuests(t: Test): Promise<(instance: string, body: string) => Promise<unknown>> {
      const client = await connectAsync(url, { protocolVersion: 5 });
      t.teardown(() => client.endAsync());
      return (instance, body) => client.publishAsync(`${name}/${instance}`, body, { qos: 1 });
    },
  };
}
