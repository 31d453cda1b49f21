/** Waits for the promise, however it ends, but not past the deadline. */
export async function settledBy(promise: Promise<unknown>, deadline: AbortSignal): Promise<void> {
  if (deadline.aborted) return;
  let passed: () => void = () => {};
  const passing = new Promise<void>((resolve) => {
    passed = resolve;
    deadline.addEventListener('abort', passed, { once: true });
  });
  await Promise.race([promise.then(passed, passed), passing]);
  deadline.removeEventListener('abort', passed);
}
