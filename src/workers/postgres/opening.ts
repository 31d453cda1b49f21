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

/**
 * BEGIN and the settings, as one message after the other. Both statements are prepared already. The parts are texts of one character a
 * byte: one buffer at the end takes a third of the time of a buffer for each part, and each call has an opening of its own.
 */
export function openingBytes(values: ReadonlyArray<string>): Uint8Array {
  return Buffer.from(execution(openingNames.begin, []) + execution(openingNames.settings, values), 'latin1');
}

/** Flush: it makes Postgres send the answers that are ready. */
const flush = Uint8Array.of('H'.charCodeAt(0), 0, 0, 0, 4);

/** Binds a prepared statement to the unnamed portal, and executes it. Parameters are text. */
function execution(name: string, values: ReadonlyArray<string>): string {
  let parameters = '';
  for (const value of values) {
    const bytes = Buffer.from(value).toString('latin1');
    parameters += int32(bytes.length) + bytes;
  }
  // No format codes: all parameters, and all results, are text.
  const bind = `\0${name}\0${int16(0)}${int16(values.length)}${parameters}${int16(0)}`;
  // Without a limit of rows.
  return message('B', bind) + message('E', `\0${int32(0)}`);
}

function message(type: string, content: string): string {
  return type + int32(content.length + 4) + content;
}

function int32(value: number): string {
  return int16(value >>> 16) + int16(value);
}

function int16(value: number): string {
  return String.fromCharCode((value >>> 8) & 0xff, value & 0xff);
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
