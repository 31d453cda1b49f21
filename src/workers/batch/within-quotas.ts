import { dead, deferred, superseded } from '../../core/message/outcome.ts';
import type { CastMethod, GuestArgs } from '../methods/contract.ts';
import { type BatchItem, isTask, type Task } from './item.ts';
import type { Bucket, Quotas, Verdict } from './quotas.ts';

/** The verdict on a guest's messages of a batch about one key. */
interface Judged {
  readonly guest: string;
  readonly bucket: Bucket;
  readonly verdict: Verdict;
  /** Places of the messages over the quota that no other one supersedes; undefined: there are none. Two at most for heartbeats. */
  waiting?: number[];
}

/**
 * Applies the quotas of a batch's guests. Messages of a guest about one key count as one, since they are folded into one row; their
 * bytes count all. Heartbeats over the quota are superseded by the newest of them, which is deferred: `deferred` has one row for it,
 * however many come. Another message over the quota is deferred, or a dead letter. A sender without a proof has no quota: anybody
 * could use it up.
 */
export function withinQuotas(quotas: Quotas, items: ReadonlyArray<BatchItem>): ReadonlyArray<BatchItem> {
  if (!quotas.isOn) return items;
  const judged = new Map<CastMethod, Map<string, Judged>>();
  const now = performance.now();
  const allowed: BatchItem[] = [];
  for (const item of items) {
    const { task, guest, raw } = item;
    if (guest === undefined || !isTask(task)) {
      allowed.push(item);
      continue;
    }
    const { method, args } = task;
    const size = raw === undefined ? 0 : raw.end - raw.begin;
    const ofMethod = judged.get(method) ?? new Map<string, Judged>();
    let one = ofMethod.get(args.key);
    if (one?.guest !== guest) {
      const bucket = quotas.bucketOf(guest, now);
      one = { guest, bucket, verdict: quotas.take(bucket, size, method.keeps === undefined) };
      ofMethod.set(args.key, one);
      judged.set(method, ofMethod);
    } else if (one.verdict === 'now') one.bucket.bytes -= size;
    if (one.verdict === 'now') allowed.push(item);
    else if (method.keeps !== undefined) coalesce(allowed, item, task, one);
    else if (one.verdict === 'later') allowed.push(later(item, task));
    else allowed.push(refused(item, task, guest));
  }
  return allowed;
}

/** Adds a message over the quota. Of it and the waiting ones about the same key, those that say nothing more are superseded. */
function coalesce(allowed: BatchItem[], item: BatchItem, task: Task, one: Judged): void {
  const still: number[] = [];
  let isKept = true;
  for (const place of one.waiting ?? []) {
    const earlier = allowed[place];
    const kept = earlier?.later === undefined ? 'both' : keptOf(task.method, earlier.later.args, task.args);
    if (kept === 'second' && earlier !== undefined)
      allowed[place] = { ...earlier, task: superseded, later: undefined };
    else still.push(place);
    if (kept === 'first') isKept = false;
  }
  if (isKept) still.push(allowed.length);
  one.waiting = still;
  allowed.push(isKept ? later(item, task) : { ...item, task: superseded });
}

function keptOf(method: CastMethod, first: GuestArgs, second: GuestArgs): 'first' | 'second' | 'both' {
  try {
    return method.keeps?.(first, second) ?? 'both';
  } catch {
    // An error of a deployer's own method must not hold the batch. To keep both loses nothing.
    return 'both';
  }
}

function later(item: BatchItem, task: Task): BatchItem {
  return { ...item, task: deferred.over_quota, later: task };
}

function refused(item: BatchItem, { args }: Task, guest: string): BatchItem {
  const detail = `${guest} sends more than quotas.perSecond or quotas.bytesPerSecond, and has quotas.burst deferred messages`;
  return { ...item, task: dead('over_quota', detail), args: { instance_id: args.instanceId } };
}
