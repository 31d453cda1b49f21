import { parseExact, stringifyExact } from '../../../core/exact-json.ts';
import {
  asText,
  bigint,
  type ColumnType,
  float,
  integer,
  type Limits,
  numeric,
  Unfit,
  unfit,
} from './numbers.ts';

const boolean: ColumnType = {
  name: 'boolean',
  ordered: true,
  toText(value) {
    if (typeof value === 'boolean') return String(value);
    throw unfit(value, 'true or false');
  },
  fromText: (text) => text === 'true' || text === 't',
};

const text: ColumnType = {
  name: 'text',
  ordered: true,
  toText(value, { maxLength }) {
    if (typeof value !== 'string') throw unfit(value, 'a string');
    // Postgres counts characters, JavaScript UTF-16 units.
    if (maxLength !== null && value.length > maxLength && [...value].length > maxLength)
      throw new Unfit(`has more than ${maxLength} characters`);
    return value;
  },
  fromText: asText,
};

const enumeration: ColumnType = {
  name: 'enumeration',
  ordered: true,
  toText(value, { labels }) {
    if (typeof value === 'string' && labels.includes(value)) return value;
    throw unfit(value, `one of ${labels.slice(0, 20).join(', ')}`);
  },
  fromText: asText,
};

const uuid: ColumnType = {
  name: 'uuid',
  ordered: true,
  toText(value) {
    if (typeof value === 'string' && /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(value)) return value;
    throw unfit(value, 'a UUID');
  },
  fromText: asText,
};

const day = /^(\d{4,6}-\d\d-\d\d)/;
const moment = /^\d{4,6}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?$/;
const always = ['infinity', '-infinity'];

function isDay(value: string): boolean {
  const [date = ''] = day.exec(value) ?? [];
  const [year = 0, month = 0, dayOfMonth = 0] = date.split('-').map(Number);
  const lastDay = new Date(Date.UTC(2000, month, 0)).getUTCDate();
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return (
    year > 0 &&
    month >= 1 &&
    month <= 12 &&
    dayOfMonth >= 1 &&
    dayOfMonth <= (month === 2 && !isLeap ? 28 : lastDay)
  );
}

/** All of Trove's columns without zone hold UTC. So a value without zone is UTC too. */
function instant(name: 'timestamp' | 'timestamptz'): ColumnType {
  return {
    name,
    ordered: true,
    toText(value) {
      if (typeof value === 'string') {
        if (always.includes(value)) return value;
        const match = moment.exec(value);
        if (match !== null && isDay(value) && isTimeOfDay(value))
          return match[3] === undefined ? `${value}Z` : value;
      }
      throw unfit(value, 'a time such as "2026-01-31T23:59:59.123456Z"');
    },
    fromText: (text) =>
      /^\d{4,6}-\S+ [\d:.]+(\+00)?$/.test(text) ? `${text.replace(' ', 'T').replace('+00', '')}Z` : text,
  };
}

function isTimeOfDay(value: string): boolean {
  const [, time = ''] = value.split('T');
  const [hours = 24, minutes = 60, seconds = 0] = time
    .replace(/(Z|[+-].*)$/, '')
    .split(':')
    .map(Number);
  return hours < 24 && minutes < 60 && seconds < 60;
}

const date: ColumnType = {
  name: 'date',
  ordered: true,
  toText(value) {
    if (typeof value === 'string' && (always.includes(value) || (/^[\d-]+$/.test(value) && isDay(value))))
      return value;
    throw unfit(value, 'a date such as "2026-01-31"');
  },
  fromText: asText,
};

const bytes: ColumnType = {
  name: 'bytes',
  ordered: true,
  toText(value) {
    if (typeof value === 'string') {
      const decoded = Buffer.from(value, 'base64');
      if (decoded.toString('base64') === value) return `\\x${decoded.toString('hex')}`;
    }
    throw unfit(value, 'bytes in base64');
  },
  fromText: (hex) => Buffer.from(hex.slice(2), 'hex').toString('base64'),
};

const json: ColumnType = {
  name: 'json',
  ordered: false,
  toText: stringifyExact,
  fromText: parseExact,
};

/** Any other type passes as Postgres's text. Postgres refuses a text that it cannot read. */
function other(ordered: boolean): ColumnType {
  return { ...text, name: 'other', ordered };
}

const kinds: ReadonlyMap<string, ColumnType> = new Map([
  ['int2', integer(16)],
  ['int4', integer(32)],
  ['int8', bigint],
  ['numeric', numeric],
  ['float4', float],
  ['float8', float],
  ['bool', boolean],
  ['text', text],
  ['varchar', text],
  ['bpchar', text],
  ['name', text],
  ['citext', text],
  ['uuid', uuid],
  ['timestamp', instant('timestamp')],
  ['timestamptz', instant('timestamptz')],
  ['date', date],
  ['bytea', bytes],
  ['json', json],
  ['jsonb', json],
  ...['time', 'timetz', 'interval', 'inet', 'cidr', 'macaddr'].map((name) => [name, other(true)] as const),
]);

/** @param typeName the name in `pg_type`. */
export function columnTypeOf({
  typeName,
  labels,
}: { readonly typeName: string } & Pick<Limits, 'labels'>): ColumnType {
  if (labels.length > 0) return enumeration;
  return kinds.get(typeName) ?? other(false);
}
