/** Simulated guests. Each has a connection of its own and sends a heartbeat about once a second. */
import mqtt, { type MqttClient } from 'mqtt';
import { pause } from '../core/backoff.ts';
import { settledBy } from '../core/deadline.ts';
import { heartbeatOf, mishap, nextPhase, type Phase } from './guests-lifecycle.ts';

/** Milliseconds between two heartbeats of a guest, and their variation. */
const interval = 1000;
const jitter = 400;
/** Milliseconds that the guests have to close their connections. */
const patience = 2000;

/** Running guests. */
export interface Fleet {
  /** The same in every run. */
  readonly ids: readonly string[];
  /** Sends no more heartbeats, and waits until the broker has the unconfirmed ones. A second call does nothing. */
  stop(): Promise<void>;
}

/** Starts guests on a broker. They reconnect by themselves. */
export function startGuests(url: string, count: number): Fleet {
  const stopping = new AbortController();
  const digits = String(count).length;
  const ids = Array.from({ length: count }, (_, index) => `guest-${String(index + 1).padStart(digits, '0')}`);
  const guests = ids.map((id, index) => new Guest(url, id, (index / count) * interval));
  const lives = guests.map((guest) => guest.live(stopping.signal));
  return {
    ids,
    async stop() {
      stopping.abort();
      await Promise.all(lives);
    },
  };
}

class Guest {
  private readonly id: string;
  private readonly firstDelay: number;
  private readonly client: MqttClient;
  private phase: Phase = 'new';
  private lastSent = 0;
  /** The last heartbeat and the one before it, which the simulated network may repeat. */
  private last: string | undefined;
  private before: string | undefined;

  constructor(url: string, id: string, firstDelay: number) {
    this.id = id;
    this.firstDelay = firstDelay;
    this.client = mqtt.connect(url, { clientId: id, protocolVersion: 4, reconnectPeriod: interval });
    // The guest reconnects by itself. Without a listener the event would end the process.
    this.client.on('error', () => {});
  }

  async live(stopping: AbortSignal): Promise<void> {
    await pause(this.firstDelay, stopping);
    while (!stopping.aborted) {
      this.beat();
      await pause(interval + (Math.random() - 0.5) * jitter, stopping);
    }
    // Its promise would never settle if the broker were gone.
    await settledBy(this.client.endAsync(), AbortSignal.timeout(patience));
    this.client.end(true);
  }

  private beat(): void {
    // It is dropped while there is no connection: the next heartbeat says the same.
    if (!this.client.connected) return;
    if (this.phase !== 'silent') {
      this.before = this.last;
      this.last = heartbeatOf(this.id, this.phase, this.stamp());
      this.publish(this.last);
      const what = mishap(Math.random());
      if (what === 'repeated') this.publish(this.last);
      if (what === 'late') this.publish(this.before);
    }
    this.phase = nextPhase(this.phase, Math.random());
  }

  private publish(body: string | undefined): void {
    if (body === undefined) return;
    // After a reconnect the client library sends the unconfirmed heartbeats again.
    this.client.publish(`conductor/${this.id}`, body, { qos: 1 }, () => {});
  }

  /** Seconds since the epoch, strictly increasing even if the clock is set back. */
  private stamp(): number {
    this.lastSent = Math.max(this.lastSent + 0.001, Date.now() / 1000);
    return this.lastSent;
  }
}
