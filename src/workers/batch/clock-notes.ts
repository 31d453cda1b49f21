import type { ClockNotes, Outcome } from '../../core/message/outcome.ts';
import type { Task } from './item.ts';

/** Seconds ahead of this machine's clock from which a message is worth a look. The main thread judges by the database's clock. */
const suspicious = 60;

/** Guests of one batch that are named at most, of each kind. */
const most = 100;

/** Notes the messages of a batch whose times point to a clock that is wrong. Nearly always there are none. */
export class BatchClocks {
  private readonly now = Date.now() / 1000;
  private ahead: Map<string, number> | undefined;
  private stale: Set<string> | undefined;

  add({ methodName, args: { instanceId, guard } }: Task, { kind }: Outcome): void {
    if (guard === undefined) return;
    if (kind === 'applied' && guard > this.now + suspicious) {
      this.ahead ??= new Map();
      if (this.ahead.size < most) this.ahead.set(instanceId, guard - this.now);
    } else if (kind === 'stale' && methodName === 'heartbeat') {
      this.stale ??= new Set();
      if (this.stale.size < most) this.stale.add(instanceId);
    }
  }

  /** Undefined if there is nothing to tell. */
  get notes(): ClockNotes | undefined {
    const { ahead = [], stale = [] } = this;
    if (this.ahead === undefined && this.stale === undefined) return undefined;
    return { ahead: [...ahead], stale: [...stale] };
  }
}
