import { PageRefusal, type PageSource } from '../admin/page-source.ts';
import type { DatabaseAddress } from '../core/config/database-hosts.ts';
import type { Config } from '../core/config/load.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { InstanceAnswer, LetterAnswer, LettersAnswer, RedriveAnswer } from '../core/page-answers.ts';
import { listLetters, readLetter, type StoredLetter } from '../database/dead-letters.ts';
import { editLetter, markForRedrive } from '../database/dead-letters-change.ts';
import { explainInstance } from '../database/explain-instance.ts';
import { deadAgainBecause, letterJson, uneditableBecause, unfitBecause } from '../database/letter-body.ts';
import { Refresh } from '../database/page/refresh.ts';
import type { Query } from '../database/query.ts';
import { sweepStatuses } from '../jobs/sweep-statuses.ts';
import type { WorkerPool } from '../workers/pool.ts';
import { workerSettingsOf } from '../workers/settings.ts';
import { PageConnection } from './page-connection.ts';

/** Rows of a list. */
const mostRows = 50;
/** Letters that one request redrives. */
const mostRedriven = 10_000;

export interface RenewablePageSource extends PageSource {
  /** Takes other credentials, for new connections. */
  renew(address: DatabaseAddress): void;
}

/** What the status page shows of the database, over connections that are open only while somebody looks. */
export function createPageSource(
  config: Config,
  pool: Pick<WorkerPool, 'checkEdit'>,
  logger: Logger,
): RenewablePageSource {
  const settings = workerSettingsOf(config);
  // The counts of the fleet and the requests of operators do not wait for each other.
  const [counts, requests] = [new PageConnection(settings, logger), new PageConnection(settings, logger)];
  const refresh = new Refresh({
    replica: config.replica,
    statuses: { alive: sweepStatuses.alive, unknown: sweepStatuses.unknown.id },
    expiry: config.sweep.heartbeatExpiry,
    transaction: (work) => counts.transaction(work),
  });
  const { maxBody } = config;
  return {
    maxBody,
    look: () => refresh.look(),
    get seen() {
      return refresh.seen;
    },
    explain: (id) =>
      requests.transaction(async (query) => {
        const { dead, ...found } = await explainInstance(query, id, 10);
        // A detail may quote a message, so it is for operators only.
        return {
          ...found,
          dead: dead.map(({ detail: _, ...letter }) => letter),
        } satisfies InstanceAnswer<Date>;
      }),
    letters: (asked) =>
      requests.transaction(async (query) => {
        const { before, ...filter } = asked;
        const rows = await listLetters(query, filter, mostRows + 1, before);
        return {
          letters: rows.slice(0, mostRows),
          more: rows.length > mostRows,
        } satisfies LettersAnswer<Date>;
      }),
    letter: (id) =>
      requests.transaction(
        async (query): Promise<LetterAnswer<Date>> => letterJson(await letterOf(query, id), maxBody),
      ),
    async edit(id, body, by) {
      const letter = await requests.transaction((query) => letterOf(query, id));
      const why = uneditableBecause(letter);
      if (why !== undefined) throw new PageRefusal(409, why);
      // Between the transactions: the check may wait for a thread, and Postgres ends a transaction that waits.
      const refusal = unfitBecause(body, maxBody) ?? (await deadAgain(pool, body, letter));
      if (refusal !== undefined) throw new PageRefusal(400, refusal);
      if (!(await requests.transaction((query) => editLetter(query, id, body, by))))
        throw new PageRefusal(409, `dead letter ${id} was redriven or deleted meanwhile; nothing is stored`);
      return { edited: id, by };
    },
    redrive: (asked, by) =>
      requests.transaction(
        (query): Promise<RedriveAnswer> =>
          markForRedrive(query, asked, { by, rate: undefined, limit: mostRedriven }, () => {}),
      ),
    renew(address) {
      for (const connection of [counts, requests]) connection.renew(address);
    },
    async close() {
      await Promise.all([counts.close(), requests.close()]);
    },
  };
}

/** Why a body would be dead again, as the workers read it; undefined if it would not, or if this replica cannot tell. */
async function deadAgain(
  pool: Pick<WorkerPool, 'checkEdit'>,
  body: Buffer,
  { transport, topic, wasDeferred, messageId, sender, senderProof }: StoredLetter,
): Promise<string | undefined> {
  const letter = { transport, topic, wasDeferred, messageId, sender, senderProof };
  const check = await pool
    .checkEdit({ body, letter })
    .catch((error: unknown) => ({ faults: [`a worker ends when it reads it: ${messageOf(error)}`] }));
  return 'faults' in check ? deadAgainBecause(check.faults, 'conductor dead edit --force') : undefined;
}

async function letterOf(query: Query, id: string) {
  const letter = await readLetter(query, id);
  if (letter === undefined) throw new PageRefusal(404, `there is no dead letter ${id}`);
  return letter;
}
