export interface MigrateOptions {
  /** A connection string. Of Postgres itself or of a pooler in session mode: the lock lives as long as the connection. */
  readonly url: string;
  /** A file whose first line is the password. */
  readonly passwordFile?: string;
  /** Only print the changes. */
  readonly dryRun: boolean;
  /** Remove the tables and columns that the migrations added. */
  readonly rollback: boolean;
  /** Delete all but the newest service status of an instance that has several. */
  readonly removeDuplicates: boolean;
  /** Takes each line for the operator. */
  readonly log: (line: string) => void;
}
