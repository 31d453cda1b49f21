/** The RabbitMQ of a round: one node, or a cluster of three with quorum queues. */
import { startRabbitmqNodes } from '../../support/brokers/rabbitmq-cluster.ts';
import { startRabbitmq } from '../../support/rabbitmq.ts';
import { encryptionKey } from '../../support/secure.ts';
import { openRabbitmq, openRabbitmqAmqp10 } from '../brokers.ts';
import { common, inTurn, keepalive, textAt, together } from './brokers.ts';
import { listenOnRabbitmq } from './listening.ts';
import { openAmqp10 } from './publishers/amqp10.ts';
import { openAmqp091 } from './publishers/amqp091.ts';
import type { BrokerChoice, Cleanup, RoundBroker } from './world.ts';

export async function startRabbit(
  cleanup: Cleanup,
  kind: 'amqp091' | 'amqp10',
  { isClustered, isSealed }: BrokerChoice,
): Promise<RoundBroker> {
  const { nodes, end } = isClustered
    ? await startRabbitmqNodes()
    : { nodes: [await startRabbitmq()] as const, end: async () => {} };
  const server = together(nodes);
  cleanup.teardown(end);
  cleanup.teardown(server.kill);
  const [first] = nodes;
  const form = kind === 'amqp10' ? 'oslo' : isSealed ? 'sealed' : 'native';
  // The virtual host goes with its server.
  const test = { teardown: () => {} };
  const broker =
    kind === 'amqp10'
      ? await openRabbitmqAmqp10(test, first)
      : await openRabbitmq(test, first, form === 'native' ? 'native' : 'oslo');
  const url = textAt(broker.entry(), 'url');
  const urls = nodes.map(({ port }) => url.replace(`:${first.port}`, `:${port}`));
  const [exchange, queue] = form === 'native' ? ['conductor', 'conductor'] : ['trove', 'trove-conductor'];
  const keyOf = form === 'native' ? (sender: string) => `conductor.${sender}` : () => queue;
  const leader = async () => {
    const found = await first.request('GET', `/queues${new URL(url).pathname}/${queue}`);
    const name = typeof found === 'object' && found !== null && 'leader' in found ? found.leader : undefined;
    return nodes.find((one) => 'name' in one && one.name === name);
  };
  const { queueArguments } = first;
  /**
   * RabbitMQ 3.10.8 keeps messages for a consumer of a node that was killed, and delivers them to nobody: the queue counts them as unacknowledged,
   * and no channel does (rabbitmq-server, issue 15473). The next leader looks whether each consumer is there.
   */
  const mend = async () => {
    const vhost = decodeURIComponent(new URL(url).pathname.slice(1));
    const stats = await first.queueStats(vhost, queue);
    const channels = await first.consumingChannels(vhost);
    const claimed = channels.reduce((sum, { unacked }) => sum + unacked, 0);
    const orphaned = (stats?.unacked ?? 0) - claimed;
    const node = await leader();
    if (stats?.ready !== 0 || orphaned <= 0 || node === undefined) return undefined;
    await node.restart();
    return `RabbitMQ kept ${orphaned} messages for consumers that are gone: it counts ${stats.consumers}, and ${channels.length} are there; the queue's leader was restarted`;
  };
  return {
    label: `RabbitMQ${isClustered ? ', three nodes, quorum queue' : ''}, form ${form}`,
    server,
    nodes,
    ports: nodes.map(({ port }) => port),
    ...(isClustered && { leader, mend }),
    ...common(broker),
    form,
    entry: (_, throughProxy) => ({
      ...broker.entry({ keepalive }),
      ...(kind === 'amqp091' && queueArguments && { queueArguments }),
      ...(form === 'sealed' && { auth: { mode: 'trove', instRpcKeyEncrKey: encryptionKey } }),
      url: throughProxy(urls.join(',')),
    }),
    // Of the node's memory; the default is 0.4 of the machine's.
    alarm: (on) => first.control('set_vm_memory_high_watermark', on ? '0.00001' : '0.4'),
    listen: () => listenOnRabbitmq(url, exchange, queueArguments ?? {}),
    // In the secure form only guests are let in.
    service: form === 'sealed' ? undefined : { kind, url: urls.join(','), codec: form },
    open: inTurn(urls, kind === 'amqp10' ? openAmqp10 : (one) => openAmqp091(one, exchange, keyOf)),
    excluded: new Map(),
  };
}
