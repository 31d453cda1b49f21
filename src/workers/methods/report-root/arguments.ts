import type { GuestArgs } from '../contract.ts';

export interface ReportRootArgs extends GuestArgs {
  /** On whose behalf root was enabled; null if the context does not say. */
  readonly user: string | null;
}
