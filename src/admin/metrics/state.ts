import { adoptionEnds } from '../../core/gateway/adoption.ts';
import { holdCauses } from '../../core/hold-causes.ts';
import { healthOf, isReady } from '../health.ts';
import type { Metric, Sample } from './metric.ts';

const states = ['connecting', 'consuming', 'waiting', 'parked', 'stopped'] as const;

const truth = (value: boolean): Sample<number>[] => [[[], value ? 1 : 0]];

/** The replica, its brokers and its database. */
export const stateMetrics: readonly Metric[] = [
  {
    name: 'conductor_info',
    type: 'gauge',
    help: 'Always 1. The labels say what runs.',
    labels: ['replica', 'version'],
    read: ({ replica, version }) => [[[replica, version], 1]],
  },
  {
    name: 'conductor_ready',
    type: 'gauge',
    help: '1 while at least one transport consumes and nothing is held, as /health/ready says.',
    labels: [],
    read: (subject) => truth(isReady(healthOf(subject))),
  },
  {
    name: 'conductor_wedged',
    type: 'gauge',
    help: '1 while only a restart helps, as /health/live says.',
    labels: [],
    read: ({ wedgedBecause }) => truth(wedgedBecause !== undefined),
  },
  {
    name: 'conductor_held',
    type: 'gauge',
    help: '1 for the cause for which messages are held now, 0 for the others. docs/errors.md has each cause.',
    labels: ['cause'],
    read: ({ heldCause }) => holdCauses.map((cause) => [[cause], cause === heldCause ? 1 : 0]),
  },
  {
    name: 'conductor_put_aside',
    type: 'gauge',
    help: '1 while all messages of a method fail and are put aside. Other methods go on.',
    labels: [],
    read: ({ putAsideBecause }) => truth(putAsideBecause !== undefined),
  },
  {
    name: 'conductor_database_up',
    type: 'gauge',
    help: '1 while Postgres takes changes, as far as the replica knows: it commits, or answers a probe every 2 s.',
    labels: [],
    read: ({ isDatabaseAway }) => truth(!isDatabaseAway),
  },
  {
    name: 'conductor_transport_info',
    type: 'gauge',
    help: 'Always 1. The labels say which protocol a transport speaks.',
    labels: ['transport', 'kind'],
    read: ({ kinds }) => [...kinds].map(([transport, kind]) => [[transport, kind], 1]),
  },
  {
    name: 'conductor_transport_state',
    type: 'gauge',
    help: '1 for the state of the connection to the broker, 0 for the other states.',
    labels: ['transport', 'state'],
    read: (subject) =>
      Object.entries(subject.states()).flatMap(([transport, { state }]) =>
        states.map((one): Sample<number> => [[transport, one], one === state ? 1 : 0]),
      ),
  },
  {
    name: 'conductor_transport_connects_total',
    type: 'counter',
    help: 'Connections to the broker that were made.',
    labels: ['transport'],
    read: ({ connections }) => [...connections].map(([transport, { connected }]) => [[transport], connected]),
  },
  {
    name: 'conductor_transport_failures_total',
    type: 'counter',
    help: 'Attempts to connect that failed, and connections that broke. Each is tried again.',
    labels: ['transport'],
    read: ({ connections }) => [...connections].map(([transport, { failed }]) => [[transport], failed]),
  },
  {
    name: 'conductor_transport_stalled_seconds',
    type: 'gauge',
    help: 'How long the broker has delivered nothing, although messages wait and the replica asks for them. 0: it has not stalled. Only NATS tells.',
    labels: ['transport'],
    read: (subject) =>
      Object.entries(subject.states()).map(([transport, { stall }]) => [
        [transport],
        stall === undefined ? 0 : (performance.now() - stall.since) / 1000,
      ]),
  },
  {
    name: 'conductor_adopting',
    type: 'gauge',
    help: '1 while the replica takes over the session of a replica that is gone. Only over MQTT.',
    labels: ['transport'],
    read: ({ adoptions }) =>
      [...adoptions].map(([transport, { present }]) => [[transport], present === undefined ? 0 : 1]),
  },
  {
    name: 'conductor_adoptions_total',
    type: 'counter',
    help: 'Sessions taken over, by the end: the session was emptied and ended; its owner came back (displaced); the rest follows (unfinished); the broker or the database refused (failed).',
    labels: ['transport', 'end'],
    read: ({ adoptions }) =>
      [...adoptions].flatMap(([transport, { counts }]) =>
        adoptionEnds.map((end): Sample<number> => [[transport, end], counts[end]]),
      ),
  },
  {
    name: 'conductor_adopted_messages_total',
    type: 'counter',
    help: 'Messages taken from sessions of replicas that are gone. conductor_messages_received_total counts them too.',
    labels: ['transport'],
    read: ({ adoptions }) => [...adoptions].map(([transport, { counts }]) => [[transport], counts.messages]),
  },
  {
    name: 'conductor_durability',
    type: 'gauge',
    help: 'Always 1. The label `failure` says what a confirmed message has to survive (`require`), and what it survives.',
    labels: ['kept', 'failure'],
    read: ({ durability: { required, survives } }) => [
      [['required', required], 1],
      [['survives', survives], 1],
    ],
  },
];
