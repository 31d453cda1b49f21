/** What the parts of a round share. */
import type { ConnectOptions } from '../../../src/public/client.ts';
import type { TestDatabase } from '../../support/database.ts';
import type { Postgres } from '../../support/postgres.ts';
import type { Server } from '../../support/server.ts';
import type { Numbered, RoundForm } from './messages.ts';
import type { Publishing } from './publishing.ts';
import type { Random } from './random.ts';
import type { Replica } from './replica.ts';
import type { FaultTimes } from './schedule.ts';

export const transports = ['amqp091', 'amqp10', 'mqtt', 'nats'] as const;
export type TransportName = (typeof transports)[number];

/** Ends what a round has started, the last first. */
export interface Cleanup {
  teardown(end: () => Promise<unknown>): void;
}

/** A connection to the broker that publishes with confirms. */
export interface Publisher {
  /** `confirmed` is called once, when the broker has taken the message, and never if the connection ends before. */
  send(message: Numbered, confirmed: () => void): void;
  /** Resolves with the reason when the connection has ended. */
  readonly ended: Promise<string>;
  close(): Promise<void>;
}

/** Waits for so many different notifications; resolves with how often each has come, by request id. */
export type Listener = (expected: number) => Promise<ReadonlyMap<string, number>>;

export interface BrokerChoice {
  /** Three nodes. */
  readonly isClustered: boolean;
  /** The guests encrypt. */
  readonly isSealed: boolean;
}

export interface RoundBroker {
  /** For example "RabbitMQ 3.10". */
  readonly label: string;
  /** All nodes, to be stopped and killed together. */
  readonly server: Pick<Server, 'stop' | 'kill' | 'restart'>;
  /** One, or those of a cluster. */
  readonly nodes: ReadonlyArray<Server>;
  /** Of the nodes. */
  readonly ports: ReadonlyArray<number>;
  /** The node that leads the queue or stream; absent if there is one node. */
  readonly leader?: () => Promise<Server | undefined>;
  readonly form: RoundForm;
  /** The transport's entry in a replica's configuration. */
  entry(replica: string, throughProxy: (url: string) => string): Record<string, unknown>;
  open(): Promise<Publisher>;
  /** Begins to keep the notifications. */
  listen(): Promise<Listener>;
  /** The entry of a service that calls; undefined: none does. */
  readonly service: ConnectOptions['transport'] | undefined;
  /** What the broker keeps at the end, when all replicas have stopped; undefined if it is nothing. */
  left(replicas: ReadonlyArray<string>): Promise<string | undefined>;
  /** The same while the replicas still run: messages of one that was killed may be on their way to another. Absent if nobody can know. */
  readonly leftYet?: () => Promise<string | undefined>;
  /**
   * Mends a known fault by which the broker delivers what it has to nobody, as an operator would. Resolves with what was wrong and what was
   * done; undefined if it is not that fault.
   */
  readonly mend?: () => Promise<string | undefined>;
  /** Stops the broker from taking messages, as when it is short of memory. */
  readonly alarm?: (on: boolean) => Promise<void>;
  /** A broker that forgets its subscriptions over a restart: publishers wait until the replicas have subscribed again. */
  readonly forgetsSubscriptions?: boolean;
  /** Faults over which the broker itself loses what it has confirmed, and why. They are left out. */
  readonly excluded: ReadonlyMap<string, string>;
}

/** A disk that can be filled. */
export interface Disk {
  readonly folder: string;
  fill(): void;
  free(): void;
}

/** The standby of a primary. */
export interface Standby {
  readonly server: Server;
  /** It becomes the primary, and the one before, which has been killed, the standby. */
  promote(): Promise<void>;
  /** Starts the standby with a new copy of the primary's data; resolves once commits wait for it. */
  rebuild(): Promise<void>;
  isSynchronous(): Promise<boolean>;
}

export interface DatabaseServers {
  /** The primary of the moment. */
  readonly postgres: Postgres & Server;
  readonly database: TestDatabase;
  /** For a replica: it names all servers. */
  readonly url: string;
  readonly ports: ReadonlyArray<number>;
  readonly standby: Standby | undefined;
}

export interface World {
  readonly transport: TransportName;
  readonly broker: RoundBroker;
  /** The primary of the moment. */
  readonly postgres: Postgres & Server;
  readonly standby: Standby | undefined;
  readonly database: TestDatabase;
  /** Where Postgres keeps its data; undefined without the right to mount one. */
  readonly disk: Disk | undefined;
  readonly replicas: ReadonlyArray<Replica>;
  readonly publishing: Publishing;
  /** Milliseconds. Rejects if the round is given up. */
  sleep(milliseconds: number): Promise<void>;
}

export interface Fault extends FaultTimes {
  /** Whether this world lets it happen. */
  possible?(world: Pick<World, 'broker' | 'disk' | 'standby'>): boolean;
  /** Strikes, waits for so many milliseconds, repairs. Resolves with a few words about what it struck. */
  run(world: World, lasts: number, random: Random): Promise<string>;
}
