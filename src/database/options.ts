import type { Access } from '../core/config/access.ts';

export interface MigrateOptions {
  /** A connection string of Postgres, or of a pooler in session mode: the lock is held by the connection. */
  readonly url: string;
  /** A file whose first line is the password. */
  readonly passwordFile?: string;
  /** The schema of pg-boss. `conductor_jobs` unless told. */
  readonly jobsSchema?: string;
  /** A role that gets the privileges of `conductor start`. */
  readonly grantTo?: string;
  /** The tables that calls may use, for these privileges. */
  readonly access?: Access;
  /** Only print the changes. */
  readonly dryRun: boolean;
  /** Remove the tables and columns that the migrations added. */
  readonly rollback: boolean;
  /** Whether to delete all service statuses of an instance except the newest. */
  readonly removeDuplicates: boolean;
  /** Takes each line for the operator. */
  readonly log: (line: string) => void;
}

/** One change of `conductor migrate`. */
export interface MigrationStep {
  /** The file of the migration, or `duplicates`, `status-index` or `jobs-schema`. */
  readonly name: string;
  /** What it does. */
  readonly text: string;
}

/** What `conductor migrate` has done, or would do. */
export interface Migrated {
  readonly dryRun: boolean;
  readonly rollback: boolean;
  readonly steps: ReadonlyArray<MigrationStep>;
  /** Tables that a rollback keeps, because they hold rows. */
  readonly kept: ReadonlyArray<string>;
  /** The statements that grant. */
  readonly granted: ReadonlyArray<string>;
}
