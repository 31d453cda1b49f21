import pg from 'pg';

/**
 * The beginning of a transaction that goes to Postgres together with the first statement: one write and one answer in place of two. The
 * messages are those of the extended protocol (PostgreSQL manual, 55.7), and only the first statement's end has a Sync. Postgres skips
 * everything between an error and the next Sync. So if the transaction cannot begin, the statement is not executed either.
 */

/** The statements of an opening, by the names under which a connection has prepared them. */
export const openingNames = { begin: 'begin', settings: 'begin-settings' } as const;

export const beginText = 'BEGIN ISOLATION LEVEL READ COMMITTED';

/**
 * A statement that sets these settings for the transaction, to its parameters. It returns no row: the first statement is the only one
 * with rows, so the client reads all of them as its own.
 */
export function settingsText(settings: ReadonlyArray<string>): string {
  const none = settings.map((name, index) => `set_config('${name}', $${index + 1}, true) IS NULL`);
  return `SELECT WHERE ${none.join(' OR ')}`;
}

/** BEGIN and the settings, as one message after the other. Both statements are prepared already. */
export function openingBytes(values: ReadonlyArray<string>): Uint8Array {
  return Buffer.concat([...execution(openingNames.begin, []), ...execution(openingNames.settings, values)]);
}

/** Flush: it makes Postgres send the answers that are ready. */
const flush = Uint8Array.of('H'.charCodeAt(0), 0, 0, 0, 4);

/** Binds a prepared statement to the unnamed portal, and executes it. Parameters are text. */
function execution(name: string, values: ReadonlyArray<string>): Uint8Array[] {
  const parameters = values.flatMap((value) => [int32(Buffer.byteLength(value)), Buffer.from(value)]);
  const none = Buffer.alloc(2);
  const count = Buffer.alloc(2);
  count.writeInt16BE(values.length);
  return [
    // No format codes: all parameters, and all results, are text.
    message('B', [cString(''), cString(name), none, count, ...parameters, none]),
    // Without a limit of rows.
    message('E', [cString(''), int32(0)]),
  ];
}

function message(type: string, parts: ReadonlyArray<Uint8Array>): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 4);
  return Buffer.concat([Buffer.from(type), int32(length), ...parts]);
}

function int32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function cString(text: string): Uint8Array {
  return Buffer.from(`${text}\0`);
}

/** A transaction's first statement, with the opening before it. */
export interface FirstStatement {
  readonly name: string;
  readonly text: string;
  readonly values: unknown[];
}

export interface OpeningOptions {
  readonly opening: Uint8Array;
  /** Has Postgres answer the BEGIN before it executes the statement. */
  readonly answersBegin: boolean;
  /** Called when the transaction has begun. Without `answersBegin` that is when the statement is answered. */
  readonly onBegun: () => void;
}

/** Begins a transaction by its first statement. Resolves with the statement's rows. */
export function queryFirst<Row extends pg.QueryResultRow>(
  client: pg.ClientBase,
  statement: FirstStatement,
  options: OpeningOptions,
): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    const rows: Row[] = [];
    const query = new OpeningQuery<Row>(statement, options, (error) => {
      if (error) reject(error);
      else resolve(rows);
    });
    query.on('row', (row) => rows.push(row));
    client.query(query);
  });
}

class OpeningQuery<Row extends pg.QueryResultRow> extends pg.Query<Row> {
  constructor(
    statement: FirstStatement,
    { opening, answersBegin, onBegun }: OpeningOptions,
    done: (error: Error | undefined) => void,
  ) {
    // A statement without parameters would be a simple query otherwise, which ends with no Sync.
    const extended = { ...statement, queryMode: 'extended' };
    super(extended, done);
    const submitStatement = this.submit;
    this.submit = (connection) => {
      const { stream } = connection;
      // Of BEGIN, and of the settings.
      connection.once('commandComplete', () => connection.once('commandComplete', onBegun));
      stream.cork();
      try {
        stream.write(opening);
        if (answersBegin) stream.write(flush);
        // pg returns the error of a statement that it does not send. Without the statement's Sync no answer would ever come.
        const problem: unknown = submitStatement.call(this, connection);
        if (problem) stream.destroy();
        return problem;
      } finally {
        stream.uncork();
      }
    };
  }
}
