/**
 * Opens a connection and makes a session of it. A connection that no session has come of is closed. Rejects with what went wrong, as
 * `explain` says it.
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
    // What began it knows better why the connection has gone than closing it does.
    await Promise.resolve(close(connection)).catch(() => {});
    throw explain(error);
  }
}
