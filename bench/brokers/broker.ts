/** A broker whose queue can be filled, to be drained by the conductor or by a bare consumer. */
export interface BenchBroker {
  readonly pid: number;
  /** The transport's entry in the conductor's configuration. */
  readonly config: Record<string, unknown>;
  /** Puts heartbeats of so many instances on the queue, each with a greater `sent`, and waits until all are there. */
  fill(messages: number, instances: number): Promise<void>;
  stop(): Promise<void>;
}
