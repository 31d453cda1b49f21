import type { GuestArgs } from '../contract.ts';

export interface ReportRootArgs extends GuestArgs {
  /** The user who enabled root; null if the context does not say. */
  readonly user: string | null;
}
