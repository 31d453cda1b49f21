/** The current nats-server: one, one with TLS, and a cluster. */
import { join } from 'node:path';
import { type Nats, startNats } from '../nats.ts';
import { freePort } from '../ports.ts';
import { certificatesOfFile, password, type Secure, user } from '../secure-brokers.ts';
import type { Server } from '../server.ts';
import { waitFor } from '../wait.ts';
import { folderOf } from './catalog.ts';

const program = join(folderOf('nats-server'), 'nats-server');

export function startCurrentNats(): Promise<Nats & Server> {
  return startNats({ program });
}

/** As `secureNats`. */
export async function startSecureCurrentNats(): Promise<Nats & Server & Secure> {
  const certificates = certificatesOfFile();
  const tls = { ...certificates.server, ca: certificates.ca };
  const server = await startNats({ program, tls, users: [{ user, password }] });
  return Object.assign(server, { certificates, tlsPort: server.port });
}

export type NatsNode = Nats & Server & { readonly name: string };

/** Three servers of a cluster. */
export async function startNatsNodes(): Promise<readonly [NatsNode, ...NatsNode[]]> {
  const ports = [await freePort(), await freePort(), await freePort()];
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`);
  const [first, ...others] = await Promise.all(
    ports.map(async (port, index): Promise<NatsNode> => {
      const name = `n${index}`;
      const server = await startNats({
        program,
        settings: [
          `server_name: ${name}`,
          `cluster { name: conductor, listen: "127.0.0.1:${port}", routes: ${JSON.stringify(routes)} }`,
        ],
      });
      return Object.assign(server, { name });
    }),
  );
  if (first === undefined) throw new Error('a cluster has a first server');
  const nodes = [first, ...others] as const;
  await whenComplete(nodes);
  return nodes;
}

/** Resolves once the servers of a cluster know each other and their leader. */
export async function whenComplete(nodes: ReadonlyArray<Nats>): Promise<void> {
  await waitFor(() => isComplete(nodes), { what: 'the cluster to be complete', timeout: 60_000 });
}

/** Three servers. It is reached at the first one, which is the one that `restart()` restarts, while the others go on. */
export async function startNatsCluster(): Promise<Nats & Server> {
  const nodes = await startNatsNodes();
  const [{ restart }] = nodes;
  const [stops, kills] = [nodes.map(({ stop }) => stop), nodes.map(({ kill }) => kill)];
  return Object.assign(nodes[0], {
    restart: () => restart().then(() => whenComplete(nodes)),
    stop: async () => void (await Promise.all(stops.map((stop) => stop()))),
    kill: async () => void (await Promise.all(kills.map((kill) => kill()))),
  });
}

interface JetStreamPage {
  readonly meta_cluster?: { readonly leader?: string; readonly replicas?: readonly Replica[] };
}

/** As the leader sees it. */
interface Replica {
  /** Whether it has all of the log. */
  readonly current?: boolean;
  readonly offline?: boolean;
}

/**
 * Whether all servers name the same leader, and the leader has heard from both others. Before that another leader may be elected, which
 * does not know of a stream that was made in the meantime.
 */
async function isComplete(nodes: readonly Nats[]): Promise<boolean> {
  const pages = await Promise.all(
    nodes.map(async ({ monitorUrl }): Promise<JetStreamPage> => {
      const response = await fetch(`${monitorUrl}/jsz`);
      return JSON.parse(await response.text());
    }),
  );
  const leaders = pages.map(({ meta_cluster: meta }, index) => ({ meta, name: `n${index}` }));
  const leader = leaders.find(({ meta, name }) => meta?.leader === name);
  const replicas = leader?.meta?.replicas ?? [];
  return (
    leaders.every(({ meta }) => meta?.leader === leader?.name) &&
    replicas.length === nodes.length - 1 &&
    replicas.every(({ current, offline }) => current === true && offline !== true)
  );
}
