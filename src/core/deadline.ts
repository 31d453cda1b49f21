/** Waits for the promise, however it ends, but not past the deadline. It may end badly later: nobody hears of it then. */
export async function settledBy(promise: Promise<unknown>, deadline: AbortSignal): Promise<void> {
  let passed: () => void = () => {};
  const passing = new Promise<void>((resolve) => {
    passed = resolve;
    deadline.addEventListener('abort', passed, { once: true });
    if (deadline.aborted) passed();
  });
  await Promise.race([promise.then(passed, passed), passing]);
  deadline.removeEventListener('abort', passed);
}

/** Waits for the promise and rejects as it does, but not past the moment at which the signal is aborted. */
export async function unlessAborted(
  promise: Promise<unknown>,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  await settledBy(promise, signal);
  if (!signal.aborted) await promise;
}

/** The promise, or a rejection after so many milliseconds. */
export async function within<Result>(promise: Promise<Result>, milliseconds: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([promise, passed]);
  } finally {
    clearTimeout(timer);
  }
}
