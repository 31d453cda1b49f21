/** The embedded default. */
export async function runDemo(_seconds: number | undefined, _interrupted: AbortSignal): Promise<void> {}
