/**
 * A transport of your own: a folder. It is for guests on the same machine, such as containers with a common volume.
 *   new/<sender>/<message>                a guest writes the file elsewhere on the volume and moves it here
 *   held/<replica>/<sender>/<message>     a replica moves the file here, which only one can do, and deletes it when it is settled
 *
 * The files of a killed replica wait for the next replica of the same name, as in an MQTT session.
 */
import { renameSync, unlinkSync } from 'node:fs';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
// In a project of your own: from 'conductor-gateway/transport'.
import * as conductor from '../../src/public/transport.ts';

const schema = {
  // The file system proves the sender, if each guest may write to its own folder only.
  ...conductor.commonSchema('spool', ['none', 'subject']),
  directory: { doc: 'The folder. Required.', default: '', format: conductor.nonEmptyText },
  interval: { doc: 'Milliseconds between two looks.', default: 50, format: conductor.milliseconds },
};

type SpoolOptions = conductor.ValuesOf<typeof schema>;

class SpoolSession implements conductor.Session {
  readonly closed: Promise<Error | undefined>;
  private readonly options: SpoolOptions;
  private readonly context: conductor.TransportSetup;
  private readonly deliver: conductor.Deliver;
  private readonly unread: string;
  private readonly mine: string;
  /** The file of each delivery in flight. */
  private readonly held = new Map<conductor.Delivery, string>();
  private paused = false;
  private draining = false;
  private looking: Promise<void> = Promise.resolve();
  private resolve: (error: Error | undefined) => void = () => {};

  constructor(options: SpoolOptions, context: conductor.TransportSetup, deliver: conductor.Deliver) {
    this.options = options;
    this.context = context;
    this.deliver = deliver;
    this.unread = join(options.directory, 'new');
    this.mine = join(options.directory, 'held', context.replica);
    this.closed = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  /** Delivers first the files that a killed replica of the same name has left. */
  async start(): Promise<conductor.Session> {
    for (const one of [this.unread, this.mine]) await mkdir(one, { recursive: true });
    for (const file of await filesIn(this.mine)) await this.take(join(this.mine, file), true);
    this.looking = this.look().catch((error) => this.end(notConnected(error)));
    return this;
  }

  /** Must not throw. An error of the file system ends the session. Files that are still there come again. */
  settle(deliveries: ReadonlyArray<conductor.Delivery>, settlement: conductor.Settlement): void {
    try {
      for (const one of deliveries) {
        const file = this.held.get(one);
        this.held.delete(one);
        // An ended session has no files.
        if (file !== undefined) settlement === 'done' ? unlinkSync(file) : this.giveBack(file);
      }
    } catch (error) {
      this.end(notConnected(error));
    }
  }

  async publish(): Promise<void> {
    throw new conductor.Undeliverable('nobody listens to a folder');
  }

  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }

  async drain(deadline: AbortSignal): Promise<void> {
    this.draining = true;
    await conductor.settledBy(this.looking, deadline);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await this.drain(deadline);
    this.settle([...this.held.keys()], 'release');
    this.end(undefined);
  }

  private end(error: Error | undefined): void {
    this.draining = true;
    this.held.clear();
    this.resolve(error);
  }

  private async look(): Promise<void> {
    for (; !this.draining; await sleep(this.options.interval)) {
      for (const file of await filesIn(this.unread)) {
        if (this.paused || this.draining || this.held.size >= this.context.share.messages) break;
        const own = join(this.mine, file);
        await mkdir(dirname(own), { recursive: true });
        const ours = await rename(join(this.unread, file), own).then(() => true, unlessGone);
        if (ours) await this.take(own, false);
      }
    }
  }

  private async take(file: string, redelivered: boolean): Promise<void> {
    const [sender, messageId, receivedAt] = [basename(dirname(file)), basename(file), performance.now()];
    const proven = this.options.auth.mode === 'subject' ? { sender, senderProof: 'subject' as const } : {};
    const meta = { messageId, redelivered, receivedAt, ...proven };
    const delivery = { session: this, body: await readFile(file), meta };
    this.held.set(delivery, file);
    if (!this.draining && this.deliver(delivery)) return;
    this.held.delete(delivery);
    this.paused = true;
    this.giveBack(file);
  }

  private giveBack(file: string): void {
    renameSync(file, join(this.unread, basename(dirname(file)), basename(file)));
  }
}

/** Lists `<sender>/<message>`, sorted by message. If guests begin the name with the time, messages come in the order of time. */
async function filesIn(directory: string): Promise<string[]> {
  const all = (await readdir(directory, { recursive: true })).filter((file) => dirname(file) !== '.');
  return all.sort((a, b) => (basename(a) < basename(b) ? -1 : 1));
}

function unlessGone(error: unknown): false {
  if (conductor.codeOf(error) !== 'ENOENT') throw error;
  return false;
}

function notConnected(error: unknown): Error {
  return new conductor.NotConnected(conductor.messageOf(error), { cause: error });
}

export default conductor.defineKind(schema, (options, context) => ({
  name: context.name,
  connect: (deliver) =>
    new SpoolSession(options, context, deliver).start().catch((error) => Promise.reject(notConnected(error))),
}));
