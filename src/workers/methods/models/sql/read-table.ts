import type { Db } from '../../../postgres/transaction.ts';

/** A column as the catalog describes it. Postgres has quoted the names that go into a statement. */
export interface CatalogColumn {
  readonly name: string;
  readonly quoted: string;
  /** The type, or the base type of a domain; for an array, the type of its elements. Without length or precision. */
  readonly type: string;
  /** The name of the same type in `pg_type`: short and not quoted. */
  readonly typeName: string;
  readonly isArray: boolean;
  /** The limit of a text in characters; undefined if it has none. */
  readonly maxLength: number | null;
  /** The values of an enumeration. */
  readonly labels: ReadonlyArray<string>;
  readonly isNullable: boolean;
  readonly hasDefault: boolean;
  /** Whether only Postgres writes it. */
  readonly isGenerated: boolean;
  /** The position in the primary key, from 0. */
  readonly keyPosition: number | null;
  /** The table's name with its schema. */
  readonly table: string;
}

/** A type's modifier is a text's length plus four. */
const text = `
WITH RECURSIVE found AS (
  SELECT pg_class.oid, format('%I.%I', nspname, relname) AS quoted
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE relname = $2 AND relkind IN ('r', 'p')
    AND CASE WHEN $1::text IS NULL THEN pg_table_is_visible(pg_class.oid) ELSE nspname = $1 END
), typed AS (
  SELECT attnum, atttypid AS type, atttypmod AS modifier, false AS in_array
  FROM found JOIN pg_attribute ON attrelid = found.oid WHERE attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT attnum, CASE typtype WHEN 'd' THEN typbasetype ELSE typelem END,
    CASE typtype WHEN 'd' THEN typtypmod ELSE modifier END, in_array OR typtype <> 'd'
  FROM typed JOIN pg_type ON pg_type.oid = type
  WHERE typtype = 'd' OR (typcategory = 'A' AND typelem <> 0)
)
SELECT attname AS name, quote_ident(attname) AS quoted, format_type(pg_type.oid, -1) AS type, typname AS "typeName",
  in_array AS "isArray",
  CASE WHEN typname IN ('varchar', 'bpchar') AND modifier >= 4 THEN modifier - 4 END AS "maxLength",
  array(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = pg_type.oid) AS labels,
  NOT attnotnull AS "isNullable", atthasdef OR attidentity <> '' AS "hasDefault",
  attgenerated <> '' OR attidentity = 'a' AS "isGenerated",
  array_position(indkey::int2[], pg_attribute.attnum)::integer AS "keyPosition",
  found.quoted AS table
FROM found
JOIN pg_attribute ON attrelid = found.oid
JOIN typed ON typed.attnum = pg_attribute.attnum
JOIN pg_type ON pg_type.oid = typed.type
LEFT JOIN pg_index ON indrelid = found.oid AND indisprimary
WHERE NOT (typtype = 'd' OR (typcategory = 'A' AND typelem <> 0))
ORDER BY pg_attribute.attnum`;

/** The columns of a table, in their order; none if there is no such table. Without a schema, the search path finds the table. */
export function readTable(db: Db, schema: string | undefined, table: string): Promise<CatalogColumn[]> {
  return db.query<CatalogColumn & Record<string, unknown>>('read-table', text, [schema ?? null, table]);
}
