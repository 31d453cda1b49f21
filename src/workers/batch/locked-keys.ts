/** Milliseconds after which a locked key is forgotten if it was not looked at again. */
const memory = 10_000;
/** Remembered keys at most. The oldest is forgotten first. */
const capacity = 10_000;

/**
 * Remembers the keys whose rows another session held locked, so that the next batch does not wait for them again. One for each
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
   * Stores the result of a look at a key.
   *
   * @returns milliseconds since the key was first found locked, 0 if it is free.
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
