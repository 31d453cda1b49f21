/** A broker whose queue the bench fills. The conductor or a bare consumer drains it. */
export interface BenchBroker {
  readonly pid: number;
  /** The transport's entry in the conductor's configuration. */
  readonly config: Record<string, unknown>;
  /** Puts heartbeats of so many instances on the queue, each with a greater `sent`. Resolves once all are there. */
  fill(messages: number, instances: number): Promise<void>;
  stop(): Promise<void>;
}
