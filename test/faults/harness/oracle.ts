/** Knows what every row must be, and judges the rows and dead letters that are there. */
import { busyInstances, kindOf, readInstance, readPoison, sentOf, statusOf } from './messages.ts';

/** In Jepsen's words. All are numbers of messages. */
export interface Tally {
  /** Handed to a publisher. */
  readonly attempted: number;
  /** Confirmed by the broker. */
  readonly acknowledged: number;
  /** Acknowledged, and its effect is there: its own row or dead letter, or its row has this message or a newer one. */
  readonly ok: number;
  /** Acknowledged, and its effect is not there. */
  readonly lost: number;
  /** Its dead letter is there more than once, or its notification has come more than once. Rows have a check of their own: see `sentTwice` in verify.ts. */
  readonly duplicated: number;
  /** Its first confirm did not come, so that it was published again, and its effect is there. */
  readonly recovered: number;
  /** Its row has a value that no message has. */
  readonly unexpected: number;
}

export interface StoredRow {
  readonly instance: string;
  readonly status: string;
  readonly sent: number;
}

const acknowledged = 1;
const repeated = 2;
const found = 4;
const duplicated = 8;
const unexpected = 16;
const heard = 32;
const heardAgain = 64;
/** What is known of a message beside rows and dead letters. */
const lasting = acknowledged | repeated | heard | heardAgain;

export class Oracle {
  /** Seconds since the epoch: the `sent` of message 0. */
  readonly begin: number;
  /** What is there and should not be, in words; the first hundred. */
  readonly problems: string[] = [];
  problemCount = 0;
  #flags = new Uint8Array(1 << 20);
  #count = 0;
  /** The newest message that is in a busy instance's row. */
  readonly #stored = new Float64Array(busyInstances).fill(-1);

  constructor(begin: number) {
    this.begin = begin;
  }

  get attempted(): number {
    return this.#count;
  }

  /** The number of the next message, which counts as attempted. */
  attempt(): number {
    if (this.#count === this.#flags.length) {
      const larger = new Uint8Array(2 * this.#flags.length);
      larger.set(this.#flags);
      this.#flags = larger;
    }
    this.#count += 1;
    return this.#count - 1;
  }

  acknowledge(n: number): void {
    this.#mark(n, acknowledged);
  }

  /** The message is published again, since its confirm did not come. */
  repeat(n: number): void {
    this.#mark(n, repeated);
  }

  row(row: StoredRow): void {
    const read = readInstance(row.instance);
    if (read === undefined) {
      this.#problem(`a row of ${row.instance}, of which no message was sent`);
      return;
    }
    const n = read.kind === 'busy' ? Math.round((row.sent - this.begin) * 1000) : read.number;
    const isOurs =
      n >= 0 &&
      n < this.#count &&
      kindOf(n) === read.kind &&
      (read.kind !== 'busy' || n % busyInstances === read.number) &&
      read.kind !== 'poison' &&
      read.kind !== 'notice' &&
      row.sent === sentOf(this.begin, n) &&
      row.status === statusOf(n);
    if (!isOurs) {
      if (n >= 0 && n < this.#count) this.#mark(n, unexpected);
      this.#problem(`a row that no message made: ${JSON.stringify(row)}`);
    } else if (read.kind === 'busy') this.#stored[read.number] = n;
    else this.#mark(n, found);
  }

  /** @param body the text of its body, read as Latin-1. */
  deadLetter({ body, reason }: { readonly body: string; readonly reason: string }): void {
    const n = readPoison(body);
    if (n === undefined || n >= this.#count || kindOf(n) !== 'poison')
      this.#problem(`a dead letter of a message that is no poison: ${reason}: ${body.slice(0, 300)}`);
    else this.#mark(n, this.#has(n, found) ? duplicated : found);
  }

  /** A notification has come so often, with this request id. */
  notification(requestId: string, times: number): void {
    const n = Number(requestId);
    if (!(n >= 0 && n < this.#count && kindOf(n) === 'notice'))
      this.#problem(`a notification of a message that leads to none: ${requestId}`);
    else this.#mark(n, times > 1 ? heard | heardAgain : heard);
  }

  /** Of the messages from number `from` to before `to`. Rows and dead letters must have been judged. */
  tally(from = 0, to = this.#count): Tally {
    const sums = {
      attempted: to - from,
      acknowledged: 0,
      ok: 0,
      lost: 0,
      duplicated: 0,
      recovered: 0,
      unexpected: 0,
    };
    for (let n = from; n < to; n += 1) {
      const isThere = this.#isThere(n);
      if (this.#has(n, acknowledged)) {
        sums.acknowledged += 1;
        sums[isThere ? 'ok' : 'lost'] += 1;
      }
      if (isThere && this.#has(n, repeated)) sums.recovered += 1;
      if (this.#has(n, duplicated | heardAgain)) sums.duplicated += 1;
      if (this.#has(n, unexpected)) sums.unexpected += 1;
    }
    return sums;
  }

  /** The first messages that are acknowledged and not there. */
  lost(limit: number): number[] {
    const list: number[] = [];
    for (let n = 0; n < this.#count && list.length < limit; n += 1)
      if (this.#has(n, acknowledged) && !this.#isThere(n)) list.push(n);
    return list;
  }

  /** Forgets what was found, to judge anew. */
  clear(): void {
    this.problems.length = 0;
    this.problemCount = 0;
    this.#stored.fill(-1);
    for (let n = 0; n < this.#count; n += 1) this.#flags[n] = (this.#flags[n] ?? 0) & lasting;
  }

  #isThere(n: number): boolean {
    const kind = kindOf(n);
    if (kind === 'notice') return this.#has(n, heard);
    if (kind !== 'busy') return this.#has(n, found);
    return (this.#stored[n % busyInstances] ?? -1) >= n;
  }

  #has(n: number, flag: number): boolean {
    return ((this.#flags[n] ?? 0) & flag) !== 0;
  }

  #mark(n: number, flag: number): void {
    this.#flags[n] = (this.#flags[n] ?? 0) | flag;
  }

  #problem(text: string): void {
    this.problemCount += 1;
    if (this.problems.length < 100) this.problems.push(text);
  }
}
