/** Milliseconds after which a locked key that was not looked at is forgotten. */
const memory = 10_000;
/** Keys that are remembered at most, the oldest forgotten first. */
const capacity = 10_000;

/**
 * The keys whose rows another session was found to hold, so that the next batch need not wait to find that out again. One a
 * thread.
 */
export class LockedKeys {
  private readonly found = new Map<string, { readonly since: number; readonly at: number }>();

  get isEmpty(): boolean {
    return this.found.size === 0;
  }

  /** Whether the key was found locked a moment ago. */
  has(method: string, key: string, now = performance.now()): boolean {
    const one = this.found.get(nameOf(method, key));
    return one !== undefined && now - one.at < memory;
  }

  /**
   * Keeps what a look at these keys has found.
   *
   * @returns for how many milliseconds a locked key has been found locked each time.
   */
  note(method: string, key: string, isLocked: boolean, now = performance.now()): number {
    const name = nameOf(method, key);
    const before = this.found.get(name);
    this.found.delete(name);
    if (!isLocked) return 0;
    const since = before !== undefined && now - before.at < memory ? before.since : now;
    this.found.set(name, { since, at: now });
    if (this.found.size > capacity) {
      const [oldest] = this.found.keys();
      if (oldest !== undefined) this.found.delete(oldest);
    }
    return now - since;
  }
}

function nameOf(method: string, key: string): string {
  return `${method} ${key}`;
}
