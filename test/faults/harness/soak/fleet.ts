/** Follows the newest message in the database; makes unknown instances known, and removes them once they have reported. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestDatabase } from '../../../support/database.ts';
import { instanceOf, kindOf } from '../messages.ts';
import type { Oracle } from '../oracle.ts';
import { registerInstances } from '../progress.ts';

/** Milliseconds. */
const interval = 250;
/** Milliseconds after its message until an instance is made known, and until it is removed. */
const [known, removed] = [1500, 20_000];

export class Fleet {
  readonly #database: TestDatabase;
  readonly #oracle: Oracle;
  readonly #unknown: { readonly instance: string; readonly due: number }[] = [];
  readonly #old: { readonly instance: string; readonly due: number }[] = [];
  #stopped = false;
  /** Messages, about, that are in the database. */
  committed = 0;
  readonly #done: Promise<void>;

  constructor(database: TestDatabase, oracle: Oracle) {
    this.#database = database;
    this.#oracle = oracle;
    this.#done = this.#follow();
  }

  /** Messages, about, that are published and not in the database. */
  get backlog(): number {
    return this.#oracle.attempted - this.committed;
  }

  sent(n: number): void {
    if (kindOf(n) !== 'late') return;
    const [instance, now] = [instanceOf(n), performance.now()];
    this.#unknown.push({ instance, due: now + known });
    this.#old.push({ instance, due: now + removed });
  }

  /** A second call does nothing more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #follow(): Promise<void> {
    while (!this.#stopped) {
      const [row] = await this.#database.query<{ sent: number | null }>(
        "SELECT max(sent) AS sent FROM service_statuses WHERE instance_id LIKE '0b%'",
      );
      if (row?.sent != null) this.committed = Math.round((row.sent - this.#oracle.begin) * 1000) + 1;
      const now = performance.now();
      const due = takeDue(this.#unknown, now);
      if (due.length > 0) await registerInstances(this.#database, due);
      const old = takeDue(this.#old, now);
      if (old.length > 0) {
        await this.#database.query('DELETE FROM service_statuses WHERE instance_id = ANY($1)', [old]);
        await this.#database.query('DELETE FROM instances WHERE id = ANY($1)', [old]);
      }
      await sleep(interval);
    }
  }
}

function takeDue(list: { readonly instance: string; readonly due: number }[], now: number): string[] {
  const count = list.findIndex(({ due }) => due > now);
  return list.splice(0, count === -1 ? list.length : count).map(({ instance }) => instance);
}
