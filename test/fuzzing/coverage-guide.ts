import { Session } from 'node:inspector/promises';
import type { Random } from '../faults/harness/random.ts';
import { mutate } from '../workers/mutated-messages.ts';

/** What V8 counts of a script: each function with its blocks, the enclosing block first. */
type Scripts = Awaited<ReturnType<typeof takeFrom>>;

/** Bytes of a message that joins the corpus: changes of a larger one take long, and find little more. */
const keptLength = 16_384;

/** Messages that are read between two looks at the counters. A look takes as long as some hundred messages. */
const batchSize = 256;

/** A reader under test, with the messages that have reached something new in it. */
export interface Guided {
  readonly read: (bytes: Buffer) => void;
  readonly corpus: Buffer[];
}

function takeFrom(session: Session) {
  return session.post('Profiler.takePreciseCoverage').then(({ result }) => result);
}

/**
 * The feedback of a fuzzer: which blocks of the code have run, by the block counters that V8 keeps for coverage. A message that runs a
 * block for the first time joins its reader's corpus, and is changed further. So nested conditions are found one after the other.
 */
export class CoverageGuide {
  private readonly session = new Session();
  private readonly under: string;
  /** By function, a byte for each of its characters: 1 if it has run. */
  private readonly covered = new Map<string, Uint8Array>();

  /** @param under the beginning of the URLs of the scripts that count. */
  constructor(under: string) {
    this.under = under;
  }

  async start(): Promise<void> {
    this.session.connect();
    await this.session.post('Profiler.enable');
    await this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  stop(): void {
    this.session.disconnect();
  }

  /** Functions that have run, and characters of code in them that have. */
  get figures(): { readonly functions: number; readonly run: number; readonly of: number } {
    let [run, of] = [0, 0];
    for (const characters of this.covered.values()) {
      of += characters.length;
      for (const character of characters) run += character;
    }
    return { functions: this.covered.size, run, of };
  }

  /** Reads messages. Those that run a block for the first time join the corpus. */
  async explore(target: Guided, messages: ReadonlyArray<Buffer>): Promise<void> {
    // The counts so far are not of this batch.
    await takeFrom(this.session);
    await this.search(target, messages);
  }

  private async search(target: Guided, messages: ReadonlyArray<Buffer>): Promise<void> {
    for (const message of messages) target.read(message);
    const scripts = await takeFrom(this.session);
    const [only] = messages;
    if (!this.isNew(scripts, false)) return;
    if (messages.length > 1) {
      const half = messages.length >> 1;
      await this.search(target, messages.slice(0, half));
      await this.search(target, messages.slice(half));
    } else if (only !== undefined && only.length <= keptLength) target.corpus.push(only);
    // Also what only several messages together reach: it would be searched for at each batch.
    this.isNew(scripts, true);
  }

  /** Whether something has run that never ran before. */
  private isNew(scripts: Scripts, isNoted: boolean): boolean {
    let found = false;
    for (const { url, functions } of scripts) {
      if (!url.startsWith(this.under)) continue;
      for (const { ranges } of functions) {
        const [whole] = ranges;
        if (whole === undefined || whole.count === 0) continue;
        const now = new Uint8Array(whole.endOffset - whole.startOffset);
        for (const { startOffset, endOffset, count } of ranges)
          now.fill(count === 0 ? 0 : 1, startOffset - whole.startOffset, endOffset - whole.startOffset);
        const name = `${url} ${whole.startOffset} ${whole.endOffset}`;
        const before = this.covered.get(name);
        found ||= before === undefined || now.some((has, at) => has > (before[at] ?? 0));
        if (!isNoted) {
          if (found) return true;
          continue;
        }
        this.covered.set(name, before === undefined ? now : before.map((had, at) => had | (now[at] ?? 0)));
      }
    }
    return found;
  }
}

/**
 * A batch of changed messages of the corpus. The newest ones are changed more often than all others, since they have just reached
 * something; half of them in one byte only, so that what they have reached is kept.
 */
export function changed(corpus: ReadonlyArray<Buffer>, random: Random): Buffer[] {
  const newest = corpus.slice(-8);
  return Array.from({ length: batchSize }, (_, index) => {
    if (index % 4 === 0) return mutate(corpus, random);
    if (index % 4 === 1) return mutate(newest, random);
    const message = random.pick(newest);
    const at = random.between(0, message.length);
    return Buffer.concat([
      message.subarray(0, at),
      Buffer.from([random.between(0, 255)]),
      message.subarray(at + 1),
    ]);
  });
}
