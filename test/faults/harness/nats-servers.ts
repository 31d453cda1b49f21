/**
 * The NATS of a round: one server of the system's, or a cluster of three that keeps each message three times. The servers of a cluster are
 * the current ones: before 2.9.16 a replicated consumer stalls after a change of its leader.
 */
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { versionOf, whyMissing } from '../../support/brokers/catalog.ts';
import { startNatsNodes, whenComplete } from '../../support/brokers/nats-server.ts';
import { startNats } from '../../support/nats.ts';
import { openNats as openNatsBroker } from '../nats-broker.ts';
import { common, inTurn, keepalive, textAt, together } from './brokers.ts';
import { listenOnNats } from './listening.ts';
import { openNats } from './publishers/nats.ts';
import type { BrokerChoice, Cleanup, RoundBroker } from './world.ts';

export async function startNatsBroker(cleanup: Cleanup, choice: BrokerChoice): Promise<RoundBroker> {
  const missing = whyMissing('nats-server');
  const isClustered = choice.isClustered && missing === undefined;
  const nodes = isClustered ? await startNatsNodes() : [Object.assign(await startNats(), { name: '' })];
  const server = together(nodes);
  cleanup.teardown(server.kill);
  const urls = nodes.map(({ url }) => url);
  const url = urls.join(',');
  const ports = nodes.map(({ port }) => port);
  const options = { restarted: true, replicas: nodes.length };
  const broker = await openNatsBroker({ port: ports[0] ?? 0, url }, options);
  const [subject, stream] = [textAt(broker.entry(), 'subject'), textAt(broker.entry(), 'stream')];
  const leader = async () => {
    const name = await leaderOf(urls, stream);
    return nodes.find((node) => node.name === name);
  };
  return {
    label: isClustered
      ? `nats-server ${versionOf('nats-server')}, three servers, three replicas of the stream`
      : 'nats-server',
    server: isClustered
      ? { ...server, restart: () => server.restart().then(() => whenComplete(nodes)) }
      : server,
    nodes,
    ports,
    ...(isClustered && { leader }),
    ...common(broker),
    entry: (_, throughProxy) => ({ ...broker.entry({ keepalive }), url: throughProxy(url) }),
    listen: () => listenOnNats(urls, nodes.length),
    service: { kind: 'nats', url, subject, stream },
    open: inTurn(urls, (one) => openNats(one, subject)),
    excluded: new Map(
      choice.isClustered && missing !== undefined
        ? [
            ['node-killed', missing],
            ['node-restarted', missing],
          ]
        : [],
    ),
  };
}

async function leaderOf(urls: string[], stream: string): Promise<string | undefined> {
  const connection = await connect({ servers: urls, reconnect: false, noAsyncTraces: true });
  try {
    const manager = await jetstream(connection).jetstreamManager();
    return (await manager.streams.info(stream)).cluster?.leader;
  } finally {
    await connection.close();
  }
}
