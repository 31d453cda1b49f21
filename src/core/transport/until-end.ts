/**
 * Waits for promises, but not past the end of what they depend on. Unlike a race with a promise of that end, nothing is left
 * behind by those that settle before it: a session may live for months.
 */
export class UntilEnd {
  private readonly waiting = new Set<(error: Error) => void>();
  private over: Error | undefined;

  /** The promise, or a rejection with the error of the end if that comes first. */
  wait<Result>(promise: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const done = () => this.waiting.delete(reject);
      promise.then(
        (result) => {
          done();
          resolve(result);
        },
        (error: unknown) => {
          done();
          reject(error);
        },
      );
      if (this.over === undefined) this.waiting.add(reject);
      else reject(this.over);
    });
  }

  end(error: Error): void {
    this.over ??= error;
    for (const reject of this.waiting) reject(error);
    this.waiting.clear();
  }
}
