import { messageOf } from '../../core/errors.ts';
import type { FleetSnapshot, Present, Seen } from '../../core/page-data.ts';
import { countFleet, type FleetStatuses, type Transaction } from './count-fleet.ts';
import { countDeferred, countReasons, readChanges } from './leftovers.ts';
import { readPresent } from './present.ts';
import { type Claim, claimCount, extendClaim, readSnapshot, storeSnapshot } from './snapshot.ts';

/** Milliseconds: the change of a count is that of the last ten minutes. */
const changePeriod = 600_000;

export interface RefreshOptions {
  readonly replica: string;
  readonly statuses: FleetStatuses;
  /** Milliseconds without contact after which a guest is silent. */
  readonly expiry: number;
  readonly transaction: Transaction;
}

/**
 * Keeps what the page shows of the database. One replica at a time counts the fleet, once in ten seconds at most, and stores the counts
 * for all. A count goes on in the background, so that the page need not wait for it.
 */
export class Refresh {
  private readonly options: RefreshOptions;
  private present: Present | undefined;
  private fleet: FleetSnapshot | undefined;
  private problem: string | undefined;
  private problemSince: number | undefined;
  private looking: Promise<void> | undefined;
  private counting: Promise<void> | undefined;

  constructor(options: RefreshOptions) {
    this.options = options;
  }

  get seen(): Seen {
    const { present, fleet, problem, problemSince } = this;
    return { present, fleet, problem, problemSince };
  }

  /** Looks at the database. Never rejects. A second call joins a look that has not ended. */
  look(): Promise<void> {
    this.looking ??= this.lookOnce().finally(() => {
      this.looking = undefined;
    });
    return this.looking;
  }

  /** Resolves once nothing runs. Never rejects. */
  async idle(): Promise<void> {
    await this.looking;
    await this.counting;
  }

  private async lookOnce(): Promise<void> {
    const { transaction } = this.options;
    try {
      const { present, stored } = await transaction(async (query) => ({
        present: await readPresent(query),
        stored: await readSnapshot(query),
      }));
      this.present = present;
      this.fleet = stored.content ?? undefined;
      this.problem = undefined;
      this.problemSince = undefined;
      if (!stored.isDue || this.counting !== undefined) return;
      const claim = await transaction(claimCount);
      if (claim === undefined) return;
      this.counting = this.count(claim).finally(() => {
        this.counting = undefined;
      });
    } catch (error) {
      this.fail(error);
    }
  }

  /** Never rejects. A count that fails is tried again once its claim has run out. */
  private async count(claim: Claim): Promise<void> {
    const { transaction, statuses, expiry, replica } = this.options;
    try {
      const goesOn = () => transaction((query) => extendClaim(query, claim));
      const fleet = await countFleet(transaction, statuses, expiry, goesOn);
      if (fleet === undefined) return;
      const { deferred, isDeferredCut } = await transaction(countDeferred);
      const letters = await countReasons(transaction);
      const { changes, ...span } = await transaction((query) => readChanges(query, changePeriod));
      const snapshot: FleetSnapshot = {
        ...fleet,
        begunAt: claim.begunAt,
        replica,
        statuses: fleet.statuses.map((one) => ({ ...one, change: changes[one.status] ?? 0 })),
        changes: span,
        deferred,
        isDeferredCut,
        letters,
      };
      await transaction((query) => storeSnapshot(query, claim, snapshot));
      this.fleet = snapshot;
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    this.problem = messageOf(error);
    this.problemSince ??= Date.now();
  }
}
