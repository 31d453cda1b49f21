/**
 * Opens a connection and begins a session on it. Closes the connection if the session cannot begin. Rejects with the error that `explain`
 * returns.
 */
export async function establish<Connection, Session>(
  open: () => Promise<Connection>,
  begin: (connection: Connection) => Promise<Session>,
  close: (connection: Connection) => Promise<unknown> | unknown,
  explain: (error: unknown) => Error,
): Promise<Session> {
  const connection = await open();
  try {
    return await begin(connection);
  } catch (error) {
    // The first error says why the connection has gone. An error of closing it does not.
    await Promise.resolve(close(connection)).catch(() => {});
    throw explain(error);
  }
}

/** Opens a connection, looks at the broker over it, and closes it. Rejects with the error that `explain` returns. */
export async function lookAt<Connection, Found>(
  open: () => Promise<Connection>,
  look: (connection: Connection) => Promise<Found>,
  close: (connection: Connection) => Promise<unknown> | unknown,
  explain: (error: unknown) => Error,
): Promise<Found> {
  let opened: Connection | undefined;
  const found = await establish(
    async () => {
      opened = await open();
      return opened;
    },
    look,
    close,
    explain,
  );
  if (opened !== undefined) await Promise.resolve(close(opened)).catch(() => {});
  return found;
}
