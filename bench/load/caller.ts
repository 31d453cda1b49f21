import { type Client, connect } from '../../src/public/client.ts';
import { now } from '../clock.ts';

/** Makes calls without waiting for the answer of the one before. */
export class Caller {
  private readonly client: Client;
  private done: [due: number, milliseconds: number][] = [];
  private errors = 0;
  private readonly open = new Set<Promise<void>>();

  private constructor(client: Client) {
    this.client = client;
  }

  static async open(entry: Readonly<Record<string, unknown>>): Promise<Caller> {
    const transport = { kind: String(entry.kind), ...entry };
    return new Caller(await connect({ transport, sender: 'bench-caller', maxCalls: 5000 }));
  }

  /** @param due milliseconds since the epoch. */
  call(due: number): void {
    const call = this.client.call('ping', {}).then(
      () => void this.done.push([due, now() - due]),
      () => {
        this.errors += 1;
      },
    );
    this.open.add(call);
    void call.finally(() => this.open.delete(call));
  }

  /** Waits for the answers. Returns the calls since the last time. */
  async finish(): Promise<{ done: [due: number, milliseconds: number][]; errors: number }> {
    await Promise.all(this.open);
    const { done, errors } = this;
    this.done = [];
    this.errors = 0;
    return { done, errors };
  }

  close(): Promise<void> {
    return this.client.close();
  }
}
