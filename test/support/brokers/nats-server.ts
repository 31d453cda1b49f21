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

/** Three servers. It is reached at the first one, which is the one that `restart()` restarts, while the others go on. */
export async function startNatsCluster(): Promise<Nats & Server> {
  const ports = [await freePort(), await freePort(), await freePort()];
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`);
  const [first, ...others] = await Promise.all(
    ports.map((port, index) =>
      startNats({
        program,
        settings: [
          `server_name: n${index}`,
          `cluster { name: conductor, listen: "127.0.0.1:${port}", routes: ${JSON.stringify(routes)} }`,
        ],
      }),
    ),
  );
  if (first === undefined) throw new Error('a cluster has a first server');
  const nodes = [first, ...others];
  const { restart } = first;
  const [stops, kills] = [nodes.map(({ stop }) => stop), nodes.map(({ kill }) => kill)];
  const meeting = () =>
    waitFor(() => isComplete(first), { what: 'the cluster to be complete', timeout: 30_000 });
  await meeting();
  return Object.assign(first, {
    restart: () => restart().then(meeting),
    stop: async () => void (await Promise.all(stops.map((stop) => stop()))),
    kill: async () => void (await Promise.all(kills.map((kill) => kill()))),
  });
}

interface JetStreamPage {
  readonly meta_cluster?: { readonly leader?: string; readonly replicas?: readonly unknown[] };
}

/** Whether the servers have chosen a leader, who knows of the two others. */
async function isComplete({ monitorUrl }: Nats): Promise<boolean> {
  const response = await fetch(`${monitorUrl}/jsz`);
  const { meta_cluster: meta = {} }: JetStreamPage = JSON.parse(await response.text());
  return meta.leader !== undefined && meta.leader !== '' && meta.replicas?.length === 2;
}
