import type { JobFigures } from '../core/job-figures.ts';
import type { JobsDatabase } from './contract.ts';
import { countTables } from './sql/count-tables.ts';

/** Milliseconds between two counts. */
const interval = 10_000;

/** Counts the rows of the tables for the metrics, so that no scrape asks the database. */
export class TableWatch {
  private readonly database: JobsDatabase;
  private readonly figures: Pick<JobFigures, 'tables'>;
  private timer: NodeJS.Timeout | undefined;
  private isLooking = false;

  constructor(database: JobsDatabase, figures: Pick<JobFigures, 'tables'>) {
    this.database = database;
    this.figures = figures;
  }

  start(): void {
    void this.look();
    this.timer = setInterval(() => void this.look(), interval).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Never rejects. */
  private async look(): Promise<void> {
    if (this.isLooking) return;
    this.isLooking = true;
    try {
      this.figures.tables = await this.database.transaction(countTables);
    } catch {
      // The database is away, which others report. Old figures would look like present ones.
      this.figures.tables = undefined;
    } finally {
      this.isLooking = false;
    }
  }
}
