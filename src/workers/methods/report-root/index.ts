import { applied, deferred, duplicate, type Outcome, stale } from '../../../core/message/outcome.ts';
import { readId, readText } from '../arguments.ts';
import type { CastMethod } from '../contract.ts';
import { maxUser } from '../description.ts';
import type { ReportRootArgs } from './arguments.ts';
import { description } from './description.ts';
import { insertRootReports } from './insert-root-reports.ts';

/**
 * Records that the context's user enabled root on the instance (Trove: extensions/common/models.py, `RootHistory`). There is one row an
 * instance, and the first report counts, so no `sent` is needed: a second report is a duplicate. Trove's table has no foreign key, and
 * Trove records unknown instances. Here a report about an unknown instance is deferred, like any other message.
 */
export const reportRoot: CastMethod<ReportRootArgs> = {
  description,
  needsContext: true,

  parse(args, { context }) {
    const instanceId = readId(args, 'instance_id');
    // Trove ignores an old guest's `user`. Here it replaces a missing context, for example that of a deferred message.
    const user = context?.user ?? args.user ?? null;
    return {
      instanceId,
      key: instanceId,
      guard: undefined,
      user: user === null ? null : readText({ user }, 'user', maxUser),
    };
  },

  toWire({ instanceId, user }) {
    return { instance_id: instanceId, user };
  },

  async apply(db, batch) {
    const firsts = new Map<string, ReportRootArgs>();
    for (const args of batch) if (!firsts.has(args.key)) firsts.set(args.key, args);
    const reports = [...firsts.values()];
    const refused = new Map(
      (await insertRootReports(db, reports)).map(({ instanceId, why }) => [instanceId, refusals[why]]),
    );
    return batch.map((args): Outcome => {
      const refusal = refused.get(args.instanceId);
      if (refusal !== undefined) return refusal;
      return firsts.get(args.key) === args ? applied : duplicate;
    });
  },
};

const refusals = { unknown: deferred.unknown, deleted: stale, known: duplicate } as const;
