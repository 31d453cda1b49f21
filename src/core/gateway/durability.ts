import type { Session } from '../transport/contract.ts';
import {
  isLess,
  leastOf,
  type Shortfall,
  type Survival,
  survivalOf,
  untold,
  withWord,
} from '../transport/durability.ts';

/** What a confirmed message survives at one place. */
export interface Judged {
  readonly survives: Survival;
  readonly shortfalls: ReadonlyArray<Shortfall>;
}

export interface DurabilityReport {
  /** The least that `require` demands. */
  readonly required: Survival;
  /** What a confirmed message survives: the least of the database and all transports that have been connected. */
  readonly survives: Survival;
  /** Undefined before the database has been asked. */
  readonly database: Judged | undefined;
  /** By transport. A transport is missing until it has been connected; then its last session counts. */
  readonly transports: Readonly<Record<string, Judged>>;
}

export interface DurabilityOptions {
  readonly required: Survival;
  /** The operator's word about the database, for what it does not tell. */
  readonly databaseWord: Survival | 'unknown';
  /** The same about the broker of each transport. */
  readonly words: ReadonlyMap<string, Survival | 'unknown'>;
}

/** The verdict on what a confirmed message survives: first in the broker, then in the database. */
export class Durability {
  private readonly options: DurabilityOptions;
  private readonly transports = new Map<string, Judged>();
  private database: Judged | undefined;

  constructor(options: DurabilityOptions) {
    this.options = options;
  }

  /** Takes what the database tells. Returns the reason to refuse it if it is less than what is required. */
  judgeDatabase(shortfalls: ReadonlyArray<Shortfall>): string | undefined {
    this.database = judged(withWord(shortfalls, this.options.databaseWord));
    return this.refusal(this.database);
  }

  /** Takes what a new session of a transport tells. Returns the reason to refuse it if it is less than what is required. */
  judgeSession(transport: string, { durability = untold }: Pick<Session, 'durability'>): string | undefined {
    const verdict = judged(withWord(durability, this.options.words.get(transport) ?? 'unknown'));
    this.transports.set(transport, verdict);
    return this.refusal(verdict);
  }

  get report(): DurabilityReport {
    const { database, transports } = this;
    const all = [...(database === undefined ? [] : [database]), ...transports.values()];
    return {
      required: this.options.required,
      survives: leastOf(all.map(({ survives }) => survives)),
      database,
      transports: Object.fromEntries(transports),
    };
  }

  private refusal({ survives, shortfalls }: Judged): string | undefined {
    const { required } = this.options;
    if (!isLess(survives, required)) return undefined;
    const reasons = shortfalls.filter((one) => isLess(one.survives, required)).map(lineOf);
    return `require is ${required}, but a confirmed message survives ${survives === 'nothing' ? 'nothing' : `only ${survives}`}: ${reasons.join('; ')}`;
  }
}

function judged(shortfalls: ReadonlyArray<Shortfall>): Judged {
  return { survives: survivalOf(shortfalls), shortfalls };
}

/** A shortfall and its remedy, in words for the operator. */
export function lineOf({ because, raise }: Shortfall): string {
  return `${because} (${raise})`;
}
