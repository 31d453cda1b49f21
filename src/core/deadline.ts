/** Waits until the promise settles or the deadline passes. Never rejects: an error of the promise is dropped. */
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

/**
 * A signal that is aborted in so many milliseconds. `cancel` stops its timer; call it in the end. The timer keeps the process, as that of
 * AbortSignal.timeout does not: a program that waits for nothing else would end before its deadline.
 */
export function deadlineIn(milliseconds: number): {
  readonly signal: AbortSignal;
  readonly cancel: () => void;
} {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), milliseconds);
  return { signal: late.signal, cancel: () => clearTimeout(timer) };
}

/** A signal that is aborted so many milliseconds after the deadline. `cancel` stops its timer; call it in the end. */
export function afterDeadline(
  deadline: AbortSignal,
  milliseconds: number,
): { readonly signal: AbortSignal; readonly cancel: () => void } {
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const passed = () => {
    timer = setTimeout(() => late.abort(), milliseconds);
  };
  if (deadline.aborted) passed();
  else deadline.addEventListener('abort', passed, { once: true });
  const cancel = () => {
    deadline.removeEventListener('abort', passed);
    clearTimeout(timer);
  };
  return { signal: late.signal, cancel };
}

/** Waits until the promise settles or the signal is aborted. Rejects as the promise does, unless the signal was aborted first. */
export async function unlessAborted(
  promise: Promise<unknown>,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  await settledBy(promise, signal);
  if (!signal.aborted) await promise;
}

/** Settles as the promise does. Rejects if that takes longer than so many milliseconds. */
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
