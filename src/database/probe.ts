import type pg from 'pg';
import type { DatabaseAddress } from '../core/config/database-hosts.ts';
import { within } from '../core/deadline.ts';
import { messageOf } from '../core/errors.ts';
import { Semaphore } from '../core/semaphore.ts';
import { type Query, queryOn } from './query.ts';
import { openSession } from './session.ts';

/** Milliseconds that the database has to answer. */
const patience = 2000;

/** Asks the database now and then whether it accepts changes, over one connection of its own. */
export class DatabaseProbe {
  private address: DatabaseAddress;
  private readonly applicationName: string;
  /** One question at a time, since they share the connection. */
  private readonly turn = new Semaphore(1);
  private client: pg.Client | undefined;
  private closed = false;

  constructor(address: DatabaseAddress, applicationName: string) {
    this.address = address;
    this.applicationName = applicationName;
  }

  /** Resolves within a few seconds with the fault; undefined if there is none. Never rejects. */
  ask(): Promise<string | undefined> {
    return this.inTurn(() => this.askNow());
  }

  private async askNow(): Promise<string | undefined> {
    const isKept = this.client !== undefined;
    try {
      this.client ??= await this.connect();
      const { rows } = await within(
        this.client.query<{ setting: string }>("SELECT current_setting('transaction_read_only') AS setting"),
        patience,
      );
      if (this.closed) this.drop();
      if (rows[0]?.setting === 'off') return undefined;
      // This server may be a standby by now, and another one in its place.
      this.drop();
      return 'the database is read-only: database.url has to lead to the primary server';
    } catch (error) {
      this.drop();
      // A kept connection may have ended since. A new one sees the server's present state.
      return isKept && !this.closed ? this.askNow() : messageOf(error);
    }
  }

  /** Takes other credentials, for a new connection. */
  renew(address: DatabaseAddress): void {
    this.address = address;
    this.drop();
  }

  /** Asks something else over the same connection. Rejects if the database does not answer within a few seconds. */
  read<Result>(work: (query: Query) => Promise<Result>): Promise<Result> {
    return this.inTurn(async () => {
      try {
        this.client ??= await this.connect();
        return await within(work(queryOn(this.client)), patience);
      } catch (error) {
        this.drop();
        throw error;
      } finally {
        if (this.closed) this.drop();
      }
    });
  }

  private async inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    await this.turn.take();
    try {
      return await work();
    } finally {
      this.turn.give();
    }
  }

  /** Closes the connection without waiting for a silent server, and opens no other one. */
  close(): void {
    this.closed = true;
    this.drop();
  }

  private drop(): void {
    const { client } = this;
    this.client = undefined;
    // An error while it closes has no consequence.
    client?.end().catch(() => {});
  }

  private async connect(): Promise<pg.Client> {
    const opening = openSession(this.address, 'look', this.applicationName);
    try {
      return await within(opening, patience);
    } catch (error) {
      // The connection may end later. No code waits for it.
      opening.then(
        (client) => client.end().catch(() => {}),
        () => {},
      );
      throw error;
    }
  }
}
