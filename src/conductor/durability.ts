import type { Config } from '../core/config/load.ts';
import { ConfigError } from '../core/errors.ts';
import { Durability, type DurabilityReport, lineOf } from '../core/gateway/durability.ts';
import type { Logger } from '../core/logger.ts';
import type { Session } from '../core/transport/contract.ts';
import type { Shortfall } from '../core/transport/durability.ts';
import { durabilityOf, missingStandby, readServerFacts } from '../database/durability.ts';
import type { DatabaseProbe } from '../database/probe.ts';
import type { Query } from '../database/query.ts';

/** Milliseconds between two looks at the settings of Postgres, which may change, also by a failover. */
const lookInterval = 60_000;

/** Finds out what a confirmed message survives, and tells the log: once all is known at the start, and after each change. */
export class DurabilityWatch {
  private readonly config: Config;
  private readonly logger: Logger;
  private readonly durability: Durability;
  private looking: NodeJS.Timeout | undefined;
  private isTelling = false;
  private told = '';
  private missing: string | undefined;

  constructor(config: Config, logger: Logger) {
    this.config = config;
    this.logger = logger;
    this.durability = new Durability({
      required: config.require,
      databaseWord: config.database.durability,
      words: new Map(config.transports.map(({ name, options }) => [name, options.durability])),
    });
  }

  get report(): DurabilityReport {
    return this.durability.report;
  }

  /** Asks the database. Throws ConfigError if it falls short of what is required. */
  async admitDatabase(query: Query): Promise<void> {
    const refusal = await this.ask(query);
    if (refusal !== undefined) throw new ConfigError(refusal, { code: 'durability' });
  }

  /** Judges a new session of a transport. Returns the refusal, for the supervisor. */
  admitSession(transport: string, session: Session): ConfigError | undefined {
    const refusal = this.durability.judgeSession(transport, session);
    this.tell();
    return refusal === undefined ? undefined : new ConfigError(refusal, { code: 'durability' });
  }

  /** Tells the log from now on, and looks at the database now and then. */
  start(probe: Pick<DatabaseProbe, 'read'>): void {
    this.isTelling = true;
    this.tell();
    this.looking = setInterval(() => void this.look(probe), lookInterval);
  }

  stop(): void {
    clearInterval(this.looking);
  }

  /** A server that was started with less is refused. One that falls short later goes on, and the log has the line. Never rejects. */
  private async look(probe: Pick<DatabaseProbe, 'read'>): Promise<void> {
    let refusal: string | undefined;
    try {
      refusal = await probe.read((query) => this.ask(query));
    } catch {
      // The database is away. Others tell so.
      return;
    }
    this.tell(refusal);
  }

  private async ask(query: Query): Promise<string | undefined> {
    const { synchronousCommit } = this.config.database;
    const facts = await readServerFacts(query);
    const missing = missingStandby(facts, synchronousCommit);
    if (missing !== undefined && missing !== this.missing) this.logger.warn({ code: 'durability' }, missing);
    this.missing = missing;
    const refusal = this.durability.judgeDatabase(durabilityOf(facts, synchronousCommit));
    return refusal && `database: ${refusal}`;
  }

  private tell(refusal?: string): void {
    if (!this.isTelling) return;
    const { survives, database, transports } = this.report;
    const places = Object.entries({ database, ...prefixed(transports) });
    const untold = places.filter(([, judged]) => judged?.shortfalls.some(isWorstOfUnknown));
    const fields = {
      survives,
      ...(untold.length > 0 && { unknown: untold.map(([place]) => place).join(', ') }),
      ...Object.fromEntries(places.map(([place, judged]) => [place, judged?.survives])),
      shortfalls: places.flatMap(([place, judged]) =>
        (judged?.shortfalls ?? []).map((shortfall) => `${place}: ${lineOf(shortfall)}`),
      ),
    };
    const text = JSON.stringify(fields);
    if (text === this.told) return;
    this.told = text;
    if (refusal === undefined) this.logger.info(fields, 'durability of confirmed messages');
    else
      this.logger.error(
        { code: 'durability', ...fields, error: refusal },
        'durability of confirmed messages',
      );
  }
}

/** Whether the other side does not tell, and `nothing` is assumed. */
function isWorstOfUnknown({ survives, isUnknown }: Shortfall): boolean {
  return isUnknown === true && survives === 'nothing';
}

function prefixed<Value>(transports: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(transports).map(([name, value]) => [`transports.${name}`, value]));
}
